/* SPDX-License-Identifier: GPL-2.0-only */
/* model/cgroup_path: containers and units by the names that engines and systemd give their cgroups. */
#include "unit.h"

#include "model/cgroup_path.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define POD   "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1c_2d.slice"

static void assert_same(const char *is, const char *want)
{
	if (want)
		assert_string_equal(is, want);
	else
		assert_null(is);
}

static void test_paths(void **state)
{
	static const struct {
		const char *path, *container, *unit;
	} cases[] = {
		{NULL, NULL, NULL},
		{"", NULL, NULL},
		{"/", NULL, NULL},
		{"/system.slice/docker-" ID ".scope", ID, "docker-" ID ".scope"},
		{"/docker/" ID, ID, NULL},
		{"/docker/" ID "/", ID, NULL},
		{POD "/cri-containerd-" ID ".scope", ID, "cri-containerd-" ID ".scope"},
		{POD "/crio-" ID ".scope", ID, "crio-" ID ".scope"},
		{POD "/crio-conmon-" ID ".scope", NULL, "crio-conmon-" ID ".scope"},
		{"/kubepods/burstable/pod12-34/" ID, ID, NULL},
		{"/machine.slice/libpod-" ID ".scope/container", ID, "libpod-" ID ".scope"},
		{"/machine.slice/libpod-conmon-" ID ".scope", NULL, "libpod-conmon-" ID ".scope"},
		{"/system.slice/nerdctl-" ID ".scope", ID, "nerdctl-" ID ".scope"},
		/* containers and systemd within one */
		{"/docker/" OTHER "/docker/" ID, ID, NULL},
		{"/docker/" ID "/system.slice/nginx.service", ID, "nginx.service"},
		{"/system.slice/nginx.service", NULL, "nginx.service"},
		{"/user.slice/user-0.slice/session-1.scope", NULL, "session-1.scope"},
		{"/user.slice/user-0.slice/user@0.service/app.slice/a\\x2db.service/x", NULL,
		 "a\\x2db.service"},
		{"/system.slice", NULL, NULL},
		{"/.service/.scope", NULL, NULL},
		/* almost an ID */
		{"/docker/x" ID, NULL, NULL},
		{"/docker/" ID "0", NULL, NULL},
		{"/docker-" ID "x", NULL, NULL},
		{"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL, NULL},
		{"/docker/123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL, NULL},
	};
	char container[CGROUP_CONTAINER_SZ], unit[CGROUP_UNIT_SZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_same(cgroup_path__container(cases[i].path, container), cases[i].container);
		assert_same(cgroup_path__unit(cases[i].path, unit), cases[i].unit);
	}
}

/* A component that no cgroup can have does not fit, and is none. */
static void test_too_long(void **state)
{
	char path[CGROUP_UNIT_SZ + 16] = "/", unit[CGROUP_UNIT_SZ];

	(void)state;
	memset(path + 1, 'x', CGROUP_UNIT_SZ - 8);
	strcat(path, ".service");
	assert_null(cgroup_path__unit(path, unit));
	assert_string_equal(cgroup_path__unit("/a.service/b", unit), "a.service");
	memmove(path + 1, path + 2, strlen(path + 1));
	assert_string_equal(cgroup_path__unit(path, unit), path + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
