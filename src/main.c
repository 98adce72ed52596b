/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin: the commands by name. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/command.h"
#include "cmd/options.h"

static const struct command {
	const char *name;
	const char *title; /* argv[0] of its messages */
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"trace", "synfin trace", cmd__trace,
	 "print connections as they open and close; with -- CMD, only those of CMD"},
	{"hist", "synfin hist", cmd__hist, "print latency histograms, at exit or every interval"},
	{"export", "synfin export", cmd__export, "serve the same histograms to Prometheus"},
	{"merge", "synfin merge", cmd__merge, "add up the histograms of several hosts or runs"},
	{"check", "synfin check", cmd__check, "show what can be measured on this kernel, and what cannot"},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int refuse_command(const char *name)
{
	log__error("'%s' is no command: they are trace, hist, export, merge and check; see synfin --help",
		   name);
	return EXIT_USAGE;
}

static int show_help(void)
{
	printf("synfin follows every TCP connection from its first SYN to the end of TIME_WAIT.\n\n"
	       "Usage: synfin COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	printf("\n  synfin help COMMAND lists the options of a command; man synfin explains them.\n");
	return fflush(stdout) ? EXIT_RUNTIME : EXIT_DONE;
}

/* "help", or "help COMMAND", which is COMMAND --help. */
static int help_on(int argc, char **argv)
{
	const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;
	char option[] = "--help";

	if (argc == 1)
		return show_help();
	if (!command)
		return refuse_command(argv[1]);
	if (argc > 2) {
		log__error("'%s' is one word too many: help takes one command", argv[2]);
		return EXIT_USAGE;
	}
	return command->run(2, (char *[]){(char *)command->title, option, NULL});
}

/* A descriptor opened by us must never take the place of a standard one that came closed. */
static int check_stdout(void)
{
	if (fcntl(STDERR_FILENO, F_GETFD) < 0 && open("/dev/null", O_WRONLY) != STDERR_FILENO)
		return -EBADF;
	return fcntl(STDOUT_FILENO, F_GETFD) < 0 ? -EBADF : 0;
}

/*
 * A setuid copy would run any command with its rights and write wherever those let it: nothing here was made for callers
 * who have fewer.
 */
static bool has_foreign_rights(void)
{
	if (!getauxval(AT_SECURE))
		return false;
	log__error(
		"this copy has rights that its caller lacks (setuid, setgid or file capabilities): take them "
		"away and run it as root");
	return true;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct command *command = find_command(name);

	if (check_stdout()) {
		log__error("standard output is closed: there is nowhere to write to");
		return EXIT_RUNTIME;
	}
	if (has_foreign_rights())
		return EXIT_UNABLE;
	if (command) {
		argv[1] = (char *)command->title;
		return command->run(argc - 1, argv + 1);
	}
	if (strcmp(name, "help") == 0)
		return help_on(argc - 1, argv + 1);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return show_help();
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		return options__show_version();
	if (name[0])
		return refuse_command(name);
	log__error("a command is missing: trace, hist, export, merge or check; see synfin --help");
	return EXIT_USAGE;
}
