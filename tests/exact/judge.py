# SPDX-License-Identifier: GPL-2.0-only
"""
Holds what was told against what there was. Never one too many; one too few only where it is counted as lost. What
can be lost at all is what the kernel has hidden from BPF (witness.py): in a guest that is nothing.
"""
from collections import Counter


def expected_opens(truth, roles):
    return Counter({(role, outcome): n for (role, outcome), n in truth.opens.items() if role in roles})


def compare_opens(truth, told, roles):
    """(complaints, how many too few)."""
    want, have = expected_opens(truth, roles), Counter(told.opens)
    if truth.fastopen:  # one that ends before the final ACK was not established, and only synfin can know that
        servers = sum(n for (role, _), n in have.items() if role == "server")
        have = Counter({key: n for key, n in have.items() if key[0] != "server"})
        have["server", "any"] = servers
    complaints = [f"{have[key] - want[key]} too many opens: {' '.join(map(str, key))}" for key in have - want]
    return complaints, (want - have).total()


def compare_closes(truth, told, roles):
    established = sum(n for (role, outcome), n in expected_opens(truth, roles).items() if outcome == "established")
    if truth.fastopen:
        established += told.opens["server", "established"]
    surplus = told.closed - established
    return [f"{surplus} too many closed"] if surplus > 0 else [], max(-surplus, 0)


def compare(truth, told, roles=("client", "server"), hidden=0, earlier=0):
    """
    All complaints; none: it is exact. `hidden`: events that no BPF program was shown. `earlier`: such events before this load. The
    end of a TIME_WAIT that was among them is missed when the memory is used again, which may be now.
    """
    complaints, few_opens = compare_opens(truth, told, roles)
    too_many, few_closes = compare_closes(truth, told, roles)
    complaints += too_many + told.faults
    lost = told.lost.total()
    for few, what in ((few_opens, "opens too few"), (few_closes, "closed too few"), (told.orphans, "without an open")):
        if few > min(lost, hidden):
            complaints.append(f"{few} {what}, of which {min(lost, few)} are counted as lost")
    late = told.missed_by["reused"] + told.missed_by["swept"]
    if lost > min(late, earlier) and not hidden:
        complaints.append(f"{lost} lost, though the kernel has hidden nothing: {dict(+told.lost)}")
    if told.alive.total() != truth.alive.total():
        complaints.append(f"alive at the end: {dict(told.alive)}, in the kernel {dict(truth.alive)}")
    if told.accepted > truth.accepted:
        complaints.append(f"{told.accepted - truth.accepted} too many accepted")
    if told.estab_resets > truth.estab_resets:
        complaints.append(f"{told.estab_resets - truth.estab_resets} too many resets of what was established")
    return complaints
