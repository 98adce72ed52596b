/* SPDX-License-Identifier: GPL-2.0-only */
/* The probes. A two-instruction program is loaded and attached for each kind of hook. */
#include "kernel/caps.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

/* Any function that every kernel has and that is called seldom. */
#define PROBED_FUNCTION "inet_csk_listen_start"

static int probe_bpf(void)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "sf_probe", "GPL", nothing, 2, NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int probe_fentry(const struct btf *btf)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	int id = btf__find_by_name_kind(btf, PROBED_FUNCTION, BTF_KIND_FUNC), prog, link;

	if (id < 0)
		return -ENOENT;
	opts.attach_btf_id = id;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "sf_probe", "GPL", nothing, 2, &opts);
	if (prog < 0)
		return prog;
	link = bpf_raw_tracepoint_open(NULL, prog);
	close(prog);
	if (link < 0)
		return link;
	close(link);
	return 0;
}

static int probe_kprobe(void)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	FILE *f = fopen("/sys/bus/event_source/devices/kprobe/type", "re");
	unsigned int type;
	int fd, cnt;

	if (!f)
		return -ENOENT;
	cnt = fscanf(f, "%u", &type);
	fclose(f);
	if (cnt != 1)
		return -ENOENT;
	attr.type = type;
	attr.config1 = (uint64_t)(uintptr_t)PROBED_FUNCTION;
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int caps__probe(struct caps *ret_caps)
{
	struct caps caps = {};
	int err = probe_bpf();

	if (err)
		return err;
	caps.btf = btf__load_vmlinux_btf();
	if (!caps.btf)
		return -ENOENT;
	caps.fentry_err = probe_fentry(caps.btf);
	caps.kprobe_err = probe_kprobe();
	*ret_caps = caps;
	return 0;
}

void caps__fini(struct caps *caps)
{
	btf__free(caps->btf);
	caps->btf = NULL;
}

/* The tracepoint's prototype: typedef void (*btf_trace_NAME)(void *, args...). */
static bool has_tracepoint(const struct btf *btf, const char *name, unsigned int min_args)
{
	const struct btf_type *t;
	char type_name[128];
	int id;

	snprintf(type_name, sizeof(type_name), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, type_name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return false;
	t = btf__type_by_id(btf, id);
	t = btf__type_by_id(btf, t->type); /* pointer */
	t = btf__type_by_id(btf, t->type); /* prototype */
	return t && btf_vlen(t) >= min_args + 1;
}

bool caps__has_function(const struct caps *caps, const char *name)
{
	return btf__find_by_name_kind(caps->btf, name, BTF_KIND_FUNC) > 0;
}

static const char *after(const char *section, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(section, prefix, len) == 0 ? section + len : NULL;
}

bool caps__may_attach(const struct caps *caps, const char *section, unsigned int min_args)
{
	const char *name;

	if ((name = after(section, "tp_btf/")))
		return has_tracepoint(caps->btf, name, min_args);
	if ((name = after(section, "fentry/")) || (name = after(section, "fexit/")))
		return !caps->fentry_err && caps__has_function(caps, name);
	if ((name = after(section, "kprobe/")) || (name = after(section, "kretprobe/")))
		return !caps->kprobe_err && caps__has_function(caps, name);
	return true;
}
