/* SPDX-License-Identifier: GPL-2.0-only */
/* From the innermost component outwards; each kind of name has a function that finds it in one component. */
#include "model/cgroup_path.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ID_LEN (CGROUP_CONTAINER_SZ - 1)

struct span {
	const char *text;
	size_t len;
};

static bool cut_suffix(struct span *s, const char *suffix)
{
	size_t len = strlen(suffix);

	if (s->len <= len || memcmp(s->text + s->len - len, suffix, len) != 0)
		return false;
	s->len -= len;
	return true;
}

/* docker-ID.scope and its like with systemd's cgroup driver, the bare ID without; not libpod-conmon-ID and its like. */
static bool find_container(struct span *part)
{
	static const char *const engines[] = {"",      "docker-", "cri-containerd-",
					      "crio-", "libpod-", "nerdctl-"};
	size_t before;

	cut_suffix(part, ".scope");
	if (part->len < ID_LEN)
		return false;
	before = part->len - ID_LEN;
	if (strspn(part->text + before, "0123456789abcdef") < ID_LEN)
		return false;
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (strlen(engines[i]) == before && memcmp(engines[i], part->text, before) == 0) {
			*part = (struct span){part->text + before, ID_LEN};
			return true;
		}
	}
	return false;
}

static bool find_unit(struct span *part)
{
	struct span stem = *part;

	return cut_suffix(&stem, ".service") || cut_suffix(&stem, ".scope");
}

static const char *find(const char *path, bool (*find_in)(struct span *part), char *ret, size_t sz)
{
	const char *end = path ? path + strlen(path) : NULL;

	while (end > path) {
		const char *slash = memrchr(path, '/', (size_t)(end - path));
		const char *begin = slash ? slash + 1 : path;
		struct span part = {begin, (size_t)(end - begin)};

		if (find_in(&part) && part.len < sz) {
			memcpy(ret, part.text, part.len);
			ret[part.len] = '\0';
			return ret;
		}
		end = slash;
	}
	return NULL;
}

const char *cgroup_path__container(const char *path, char ret[CGROUP_CONTAINER_SZ])
{
	return find(path, find_container, ret, CGROUP_CONTAINER_SZ);
}

const char *cgroup_path__unit(const char *path, char ret[CGROUP_UNIT_SZ])
{
	return find(path, find_unit, ret, CGROUP_UNIT_SZ);
}
