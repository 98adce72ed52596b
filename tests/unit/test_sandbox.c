/* SPDX-License-Identifier: GPL-2.0-only */
/* sandbox: what is forbidden after it fails, and what a command needs does not; each in a child, since it is for good. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

static char directory[] = "/tmp/synfin-unit-XXXXXX";
static char file[64], inherited[64];
static int opened = -1; /* before */

static int answer(long result)
{
	return result < 0 ? errno : 0;
}

static int read_shadow(void)
{
	return answer(open("/etc/shadow", O_RDONLY));
}

static int read_own_proc(void)
{
	return answer(open("/proc/self/mem", O_RDWR));
}

static int write_passwd(void)
{
	return answer(open("/etc/passwd", O_WRONLY | O_APPEND));
}

static int open_state(void)
{
	return answer(open(inherited, O_RDWR));
}

static int make_file_elsewhere(void)
{
	return answer(open("/tmp/synfin-unit-elsewhere", O_RDWR | O_CREAT | O_EXCL, 0600));
}

static int make_file(void)
{
	int fd = open(file, O_RDWR | O_CREAT | O_EXCL, 0600);

	return answer(fd) || answer(write(fd, "x", 1)) || answer(rename(file, inherited));
}

static int execute(void)
{
	return answer(execl("/bin/true", "true", NULL));
}

static int fork_one(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return answer(pid);
}

static int signal_parent(void)
{
	return answer(kill(getppid(), 0));
}

static int make_socket(void)
{
	return answer(socket(AF_INET, SOCK_STREAM, 0));
}

static int make_unix_socket(void)
{
	return answer(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? errno
		       : 0;
}

static int create_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return answer(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int look_up(void)
{
	union bpf_attr attr = {.map_fd = (__u32)-1};

	return answer(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)));
}

static int find_next(void)
{
	union bpf_attr attr = {.map_fd = (__u32)-1};

	return answer(syscall(SYS_bpf, BPF_MAP_GET_NEXT_KEY, &attr, sizeof(attr)));
}

static int update(void)
{
	union bpf_attr attr = {.map_fd = (__u32)-1};

	return answer(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)));
}

static int run_program(void)
{
	union bpf_attr attr = {.test = {.prog_fd = (__u32)-1}};

	return answer(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)));
}

static int delete_element(void)
{
	union bpf_attr attr = {.map_fd = (__u32)-1};

	return answer(syscall(SYS_bpf, BPF_MAP_DELETE_ELEM, &attr, sizeof(attr)));
}

static int use_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	struct itimerspec at = {{0}, {0, 1}};
	timer_t timer;

	signal(SIGRTMIN, SIG_IGN);
	return answer(timer_create(CLOCK_MONOTONIC, &event, &timer)) ||
	       answer(timer_settime(timer, 0, &at, NULL));
}

static int remove_file(void)
{
	return answer(unlink(inherited));
}

static int remove_elsewhere(void)
{
	return answer(unlink("/tmp/synfin-unit-elsewhere"));
}

static int trace_parent(void)
{
	return answer(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int type_into_terminal(void)
{
	return answer(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int become_root(void)
{
	return answer(setuid(0));
}

static int open_by_handle(void)
{
	struct file_handle handle = {.handle_bytes = 0};

	return answer(open_by_handle_at(AT_FDCWD, &handle, O_RDONLY | O_CLOEXEC));
}

static int find_by_handle(void)
{
	struct file_handle handle = {.handle_bytes = 0};

	return answer(open_by_handle_at(-1, &handle, O_PATH | O_CLOEXEC));
}

static void *call(void *act)
{
	return (void *)(intptr_t)(*(int (**)(void))act)();
}

/* What the act gives in a thread that is begun afterwards; -1: there is none. */
static int in_thread(int (*act)(void))
{
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, call, &act) || pthread_join(thread, &result))
		return -1;
	return (int)(intptr_t)result;
}

static int use_what_is_open(void)
{
	char byte;

	return answer(pread(opened, &byte, 1, 0)) || answer(write(STDERR_FILENO, "", 0)) || !malloc(1 << 20);
}

static int is_marked(void)
{
	struct sandbox_state state;

	sandbox__read_state(&state);
	return !state.no_new_privs || !state.seccomp || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

/* errno of an act in a child with these needs; 0: it was done. -1: the child died. */
static int act(const struct sandbox *box, int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(sandbox__enter(box) ? 255 : box->needs & SANDBOX_SERVES ? in_thread(fn) : fn());
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_forbidden(void **state)
{
	static const struct {
		const char *what;
		int (*fn)(void);
	} acts[] = {
		{"read /etc/shadow", read_shadow},
		{"write own memory", read_own_proc},
		{"write /etc/passwd", write_passwd},
		{"open what is there", open_state},
		{"make a file elsewhere", make_file_elsewhere},
		{"execute", execute},
		{"fork", fork_one},
		{"signal", signal_parent},
		{"make a TCP socket", make_socket},
		{"make a local socket", make_unix_socket},
		{"make code", make_code},
		{"create a map", create_map},
		{"remove a file", remove_file},
		{"trace the parent", trace_parent},
		{"type into the terminal", type_into_terminal},
		{"setuid", become_root},
		{"open by handle", open_by_handle},
	};
	const struct sandbox boxes[] = {
		{.needs = 0},
		{.needs = SANDBOX_MAPS | SANDBOX_CGROUPS},
		{.needs = SANDBOX_MAPS | SANDBOX_SERVES | SANDBOX_CGROUPS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(boxes); i++) {
		for (size_t n = 0; n < ARRAY_SIZE(acts); n++) {
			int result = act(&boxes[i], acts[n].fn);

			if (result != EPERM)
				fail_msg("%s with %#x: %d", acts[n].what, boxes[i].needs, result);
		}
	}
}

static void test_needed(void **state)
{
	int (*const with_maps[])(void) = {look_up, find_next, update, delete_element, run_program};
	const struct sandbox maps = {.needs = SANDBOX_MAPS}, none = {0},
			     all = {.needs = SANDBOX_MAPS | SANDBOX_SERVES | SANDBOX_CGROUPS};

	(void)state;
	assert_int_equal(act(&none, use_what_is_open), 0);
	assert_int_equal(act(&all, use_what_is_open), 0);
	assert_int_equal(act(&none, is_marked), 0);
	assert_int_equal(act(&none, use_timer), 0);
	for (size_t i = 0; i < ARRAY_SIZE(with_maps); i++) {
		assert_int_equal(act(&none, with_maps[i]), EPERM);
		assert_int_equal(act(&maps, with_maps[i]), geteuid() ? act(&maps, with_maps[i]) : EBADF);
	}
	assert_int_not_equal(act(&all, find_by_handle), geteuid() ? -1 : EPERM);
	assert_int_equal(act(&none, find_by_handle), EPERM);
}

/* A file is replaced, and nothing else is opened in its directory or made elsewhere. */
static void test_files(void **state)
{
	const struct sandbox box = {.needs = SANDBOX_SERVES, .files = {inherited}};
	int elsewhere;

	(void)state;
	assert_int_equal(act(&box, make_file), 0);
	assert_int_not_equal(access(file, F_OK), 0);
	assert_int_equal(act(&box, open_state), EPERM);
	assert_int_equal(act(&box, read_shadow), EPERM);
	elsewhere = act(&box, make_file_elsewhere);
	unlink("/tmp/synfin-unit-elsewhere");
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0)
		assert_int_equal(elsewhere, EACCES);
}

/* A socket is removed, and nothing is made in its directory. */
static void test_removed(void **state)
{
	const struct sandbox box = {.needs = SANDBOX_SERVES, .removed = file};
	bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
	int result;

	(void)state;
	assert_int_equal(act(&box, make_file), EPERM);
	assert_int_equal(make_file_elsewhere(), 0);
	result = act(&box, remove_elsewhere);
	unlink("/tmp/synfin-unit-elsewhere");
	assert_int_equal(result, has_landlock ? EACCES : 0);
	assert_int_equal(act(&box, remove_file), 0);
	assert_int_not_equal(access(inherited, F_OK), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof(file), "%s/new", directory);
	snprintf(inherited, sizeof(inherited), "%s/state", directory);
	opened = open(inherited, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return opened < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(opened);
	unlink(inherited);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_removed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
