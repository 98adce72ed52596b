/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the workload of a cgroup by its path, using the names that container engines and systemd give to
 * cgroups.
 */
#ifndef SYNFIN_MODEL_CGROUP_PATH_H
#define SYNFIN_MODEL_CGROUP_PATH_H

#define CGROUP_CONTAINER_SZ 65	/* 64 hexadecimal digits and the NUL */
#define CGROUP_UNIT_SZ	    256 /* NAME_MAX and the NUL */

/*
 * The innermost container's ID, as the engine shows it in full. Returns `ret`; NULL: the path contains none,
 * or is NULL.
 */
const char *cgroup_path__container(const char *path, char ret[CGROUP_CONTAINER_SZ]);

/* The innermost unit of systemd, a .service or .scope. Returns `ret`; NULL: as above. */
const char *cgroup_path__unit(const char *path, char ret[CGROUP_UNIT_SZ]);

#endif
