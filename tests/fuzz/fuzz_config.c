/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of --config. */
#include "oracle.h"

#include <sys/mman.h>
#include <unistd.h>

#include "cmd/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config = {0};
	char path[64];
	int fd = memfd_create("config", 0);

	demand(write(fd, data, size) == (ssize_t)size, "written", "", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!config__read(path, &config)) {
		for (size_t i = 0; i < config.cnt; i++)
			demand(!strncmp(config.lines[i].arg, "--", 2), "an option", config.lines[i].arg,
			       strlen(config.lines[i].arg));
	}
	config__fini(&config);
	close(fd);
	return 0;
}
