/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>

int array__grow(void **array, size_t cnt, size_t *cap, size_t sz)
{
	size_t more = *cap ? 2 * *cap : 64;
	void *bigger;

	if (cnt < *cap)
		return 0;
	bigger = reallocarray(*array, more, sz);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*cap = more;
	return 0;
}
