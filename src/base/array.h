/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays that grow. */
#ifndef SYNFIN_BASE_ARRAY_H
#define SYNFIN_BASE_ARRAY_H

#include <stddef.h>

/*
 * Makes room for one more element after the `cnt` elements of `sz` bytes each. *array is NULL at first, and
 * the caller frees it; *cap is how many elements fit. 0; -ENOMEM, and nothing has changed.
 */
int array__grow(void **array, size_t cnt, size_t *cap, size_t sz);

#endif
