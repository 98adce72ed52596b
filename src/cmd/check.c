/* SPDX-License-Identifier: GPL-2.0-only */
/* synfin check: what this kernel lets us measure, by loading and attaching for real. */
#include "cmd/command.h"
#include "cmd/options.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/term.h"
#include "cmd/rights.h"
#include "cmd/session.h"

#define MEASURES_COLUMN 42

static const char *variant_name(const struct tracer *t, enum hook_id id)
{
	const struct hook_variant *v = tracer__choice(t, id)->variant;

	return v ? v->name : NULL;
}

/* What this kernel does not let the hook measure; NULL: nothing. A hook that was not wanted is not reported as missing. */
static const char *lost_by(const struct tracer *t, enum hook_id id)
{
	const struct hook_choice *c = tracer__choice(t, id);

	if (c->variant)
		return c->variant->lost;
	return c->wanted ? hooks[id].lost : NULL;
}

/* Words from column `indent` on, in as many lines as the terminal asks for; one where it is none, or too narrow. */
static void put_words(struct str *s, const char *text, size_t indent, const struct term *term)
{
	bool wraps = term->columns >= indent + 20;
	size_t at = indent;

	for (size_t len; *text; text += len) {
		len = strcspn(text + 1, " ") + 1; /* of the word with the blank before it */
		if (wraps && at > indent && at + len > term->columns) {
			str__append_char(s, '\n', 1);
			str__append_char(s, ' ', indent);
			at = indent;
			text++;
			len--;
		}
		str__append_bytes(s, text, len);
		at += len;
	}
	str__append_char(s, '\n', 1);
}

static void put_lost(struct str *s, bool is_missing, const char *lost, const struct term *term)
{
	struct str text = {0};

	str__appendf(&text, "%s: %s", is_missing ? "missing, so lost" : "not seen in this way", lost);
	str__append_char(s, ' ', MEASURES_COLUMN);
	put_words(s, str__text(&text), MEASURES_COLUMN, term);
	s->failed |= text.failed;
	str__fini(&text);
}

static void write_table(struct str *s, const struct tracer *t, const char *release,
			const struct rights *rights, const struct term *term)
{
	str__appendf(s, "kernel %s, tier %s\n\n%-18s %-22s %s\n", release, tier__name(tracer__tier(t)),
		     "HOOK", "BY", "MEASURES");
	for (int id = 0; id < __HOOK_MAX; id++) {
		const char *by = variant_name(t, id), *lost = lost_by(t, id);

		str__appendf(s, "%-18s %-22s ", hooks[id].name, by ? by : "-");
		put_words(s, hooks[id].measures, MEASURES_COLUMN, term);
		if (lost)
			put_lost(s, !by, lost, term);
	}
	rights__write_text(rights, s);
}

static void write_json(struct str *s, const struct tracer *t, const char *release,
		       const struct rights *rights)
{
	struct json j;

	json__init(&j, s);
	json__begin_object(&j);
	json__key_u64(&j, "v", 1);
	json__key_string(&j, "type", "check");
	json__key_string(&j, "kernel", release);
	json__key_string(&j, "tier", tier__name(tracer__tier(t)));
	json__key(&j, "hooks");
	json__begin_array(&j);
	for (int id = 0; id < __HOOK_MAX; id++) {
		const char *by = variant_name(t, id);

		json__begin_object(&j);
		json__key_string(&j, "hook", hooks[id].name);
		json__key_string(&j, "variant", by);
		json__key_string(&j, "measures", hooks[id].measures);
		json__key_string(&j, "lost", lost_by(t, id));
		json__end_object(&j);
	}
	json__end_array(&j);
	json__key(&j, "rights");
	rights__write_json(rights, &j);
	json__end_object(&j);
	str__append(s, "\n");
}

int cmd__check(int argc, char **argv)
{
	struct options opts;
	struct tracer_opts topts = {.filter = &opts.filter};
	struct tracer *t = NULL;
	struct rights rights;
	struct str s = {};
	struct utsname uts;
	struct term term;
	int err, status = options__parse(OPTIONS_CHECK, NULL,
					 "Try every hook, and show what can be measured on this kernel.",
					 argc, argv, &opts);

	if (status)
		return status;
	topts.force_tier = opts.force_tier;
	topts.tier = opts.tier;
	err = tracer__new(&topts, &t);
	if (err)
		return EXIT_UNABLE;
	rights = rights__probe();
	err = rights__drop(&opts, 0);
	if (err) {
		tracer__free(t);
		return session__exit_status(err);
	}
	uname(&uts);
	term__probe(STDOUT_FILENO, TERM_COLOR_NEVER, &term);
	if (opts.json)
		write_json(&s, t, uts.release, &rights);
	else
		write_table(&s, t, uts.release, &rights, &term);
	tracer__free(t);
	err = str__write(&s, STDOUT_FILENO);
	str__fini(&s);
	if (err)
		log__error("cannot write to standard output: %s", strerror(-err));
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
