/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands. argv[0] is "synfin NAME"; the result is the exit status of the program. */
#ifndef SYNFIN_CMD_COMMAND_H
#define SYNFIN_CMD_COMMAND_H

int cmd__trace(int argc, char **argv);
int cmd__hist(int argc, char **argv);
int cmd__export(int argc, char **argv);
int cmd__merge(int argc, char **argv);
int cmd__check(int argc, char **argv);

#endif
