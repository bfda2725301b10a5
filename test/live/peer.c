/*
 * libtdb as a child process: one command a line on stdin, one answer a line on stdout.
 *
 *   store 6b6579 76616c 0      ->  ok
 *   fetch 6b6579               ->  ok 76616c
 *   delete 00                  ->  err not_found
 *
 * Bytes are hex, "-" is no byte. Answers are "ok ..." or "err CODE log". `walk` traverses and stops
 * at each record ("at KEY=VALUE"): commands given then run inside the callback, until `step` or `halt`.
 * `write` is a writer that logs what it is about to do and what was acknowledged; see writer.ts.
 *
 * Does NOT promise: to survive wrong commands; it is driven by tests only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>
#include <tdb.h>

#define WORDS_MAX 8

static struct tdb_context *db;
static char log_text[4096];
static int walk_answer;

static void log_line(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
{
	size_t used = strlen(log_text);
	va_list args;
	(void)tdb;
	(void)level;
	va_start(args, format);
	vsnprintf(log_text + used, sizeof(log_text) - used, format, args);
	va_end(args);
}

/* libtdb's errors by our names, so that answers of both can be compared. */
static const char *code(void)
{
	static const char *names[] = {
		"success", "corrupt", "io", "busy", "oom", "exists", "busy", "timeout", "not_found",
		"einval", "read_only", "state",
	};
	unsigned n = db == NULL ? 2 : (unsigned)tdb_error(db);
	return n < sizeof(names) / sizeof(names[0]) ? names[n] : "unknown";
}

/* An answer of one line, whatever libtdb wrote. */
static void fail(const char *what)
{
	for (char *c = log_text; *c != 0; c++) if (*c == '\n') *c = ';';
	printf("err %s %s\n", what, log_text);
}

static void done(int result)
{
	if (result == 0) printf("ok\n");
	else fail(code());
}

static void truth(int result)
{
	printf("ok %d\n", result);
}

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Leaks by design of the caller: freed at the end of each command. */
static TDB_DATA unhex(const char *text)
{
	TDB_DATA data = { NULL, 0 };
	size_t length = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
	data.dptr = malloc(length + 1);
	data.dsize = length;
	for (size_t i = 0; i < length; i++) {
		data.dptr[i] = (unsigned char)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	}
	return data;
}

static void put_hex(TDB_DATA data)
{
	static const char digits[] = "0123456789abcdef";
	if (data.dsize == 0) putchar('-');
	for (size_t i = 0; i < data.dsize; i++) {
		putchar_unlocked(digits[data.dptr[i] >> 4]);
		putchar_unlocked(digits[data.dptr[i] & 15]);
	}
}

static void data_or_none(TDB_DATA data)
{
	if (data.dptr == NULL) {
		fail(code());
		return;
	}
	printf("ok ");
	put_hex(data);
	putchar('\n');
	free(data.dptr);
}

static int print_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA value, void *unused)
{
	(void)tdb;
	(void)unused;
	putchar(' ');
	put_hex(key);
	putchar('=');
	put_hex(value);
	return 0;
}

static bool command_loop(bool inside);

static int stop_at_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA value, void *unused)
{
	(void)tdb;
	(void)unused;
	printf("at ");
	put_hex(key);
	putchar('=');
	put_hex(value);
	putchar('\n');
	if (!command_loop(true)) exit(0);
	return walk_answer;
}

static void open_db(char **word)
{
	struct tdb_logging_context logging = { log_line, NULL };
	int flags = word[2][0] == 'r' ? O_RDONLY : O_RDWR;
	if (word[2][0] == 'c') flags |= O_CREAT;
	if (db != NULL) tdb_close(db);
	errno = 0;
	db = tdb_open_ex(word[1], atoi(word[4]), atoi(word[3]), flags, 0600, &logging, NULL);
	if (db == NULL) {
		fail(strerror(errno));
		return;
	}
	tdb_set_max_dead(db, atoi(word[5]));
	printf("ok\n");
}

static void limit_size(long bytes)
{
	struct rlimit limit = { (rlim_t)bytes, RLIM_INFINITY };
	signal(SIGXFSZ, SIG_IGN);
	done(setrlimit(RLIMIT_FSIZE, &limit));
}

/* Shortens the file: `polite` as a process does that honours the locks. */
static void shorten(long bytes, bool polite)
{
	int failed = polite ? tdb_lockall(db) : 0;
	if (failed == 0) failed = ftruncate(tdb_fd(db), bytes);
	if (failed == 0 && polite) failed = tdb_unlockall(db);
	done(failed);
}

/* The writer: keys PREFIX0..PREFIX(keys-1), values = version (4 bytes) + filler made from it. */

static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

static TDB_DATA key_of(const char *prefix, uint32_t index)
{
	static char text[64];
	TDB_DATA key = { (unsigned char *)text, 0 };
	key.dsize = (size_t)snprintf(text, sizeof(text), "%s%u", prefix, index);
	return key;
}

static TDB_DATA value_of(uint32_t version, uint32_t length)
{
	static unsigned char bytes[65536];
	TDB_DATA value = { bytes, 4 + length };
	for (uint32_t i = 0; i < 4; i++) bytes[i] = (unsigned char)(version >> (8 * i));
	for (uint32_t i = 0; i < length; i++) bytes[4 + i] = (unsigned char)(version * 31 + i * 7);
	return value;
}

/* One change; logged as intended first. Version 0 means deleted. */
static int change(const char *prefix, uint32_t keys, uint32_t version)
{
	uint32_t index = roll(keys);
	uint32_t length = roll(4) == 0 ? roll(1200) : roll(100);
	bool removes = roll(5) == 0;
	printf("i %u %u %u\n", index, removes ? 0 : version, removes ? 0 : length);
	fflush(stdout);
	if (!removes) return tdb_store(db, key_of(prefix, index), value_of(version, length), 0);
	if (tdb_delete(db, key_of(prefix, index)) == 0) return 0;
	return tdb_error(db) == TDB_ERR_NOEXIST ? 0 : -1;
}

static void show_keys(const char *prefix, uint32_t keys)
{
	for (uint32_t index = 0; index < keys; index++) {
		TDB_DATA value = tdb_fetch(db, key_of(prefix, index));
		if (value.dptr == NULL && tdb_error(db) != TDB_ERR_NOEXIST) {
			fail(code());
			exit(1);
		}
		printf("s %u ", index);
		put_hex(value);
		putchar('\n');
		free(value.dptr);
	}
	printf("r\n");
	fflush(stdout);
}

static void write_loop(char **word)
{
	const char *prefix = word[1];
	uint32_t keys = (uint32_t)atoi(word[2]);
	uint32_t version = (uint32_t)atoi(word[4]);
	bool in_transactions = word[5][0] == 't';
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
	char stop[16];
	dice = (uint32_t)atoi(word[3]) | 1;
	show_keys(prefix, keys);
	while (poll(&input, 1, 0) == 0) {
		uint32_t changes = in_transactions ? 1 + roll(6) : 1;
		int failed = in_transactions ? tdb_transaction_start(db) : 0;
		for (uint32_t i = 0; i < changes && failed == 0; i++) failed = change(prefix, keys, version++);
		if (in_transactions && failed == 0) failed = tdb_transaction_commit(db);
		if (failed != 0) {
			fail(code());
			exit(1);
		}
		printf("a\n");
		fflush(stdout);
	}
	if (fgets(stop, sizeof(stop), stdin) != NULL) printf("ok\n");
}

static bool is(const char *word, const char *name)
{
	return strcmp(word, name) == 0;
}

static bool lock_command(const char *name, TDB_DATA key)
{
	if (is(name, "chainlock")) done(tdb_chainlock(db, key));
	else if (is(name, "chainlock_nb")) done(tdb_chainlock_nonblock(db, key));
	else if (is(name, "chainlock_read")) done(tdb_chainlock_read(db, key));
	else if (is(name, "chainlock_read_nb")) done(tdb_chainlock_read_nonblock(db, key));
	else if (is(name, "chainunlock")) done(tdb_chainunlock(db, key));
	else if (is(name, "chainunlock_read")) done(tdb_chainunlock_read(db, key));
	else if (is(name, "lockall")) done(tdb_lockall(db));
	else if (is(name, "lockall_nb")) done(tdb_lockall_nonblock(db));
	else if (is(name, "lockall_read")) done(tdb_lockall_read(db));
	else if (is(name, "lockall_read_nb")) done(tdb_lockall_read_nonblock(db));
	else if (is(name, "unlockall")) done(tdb_unlockall(db));
	else if (is(name, "unlockall_read")) done(tdb_unlockall_read(db));
	else return false;
	return true;
}

static bool whole_command(const char *name)
{
	if (is(name, "begin")) done(tdb_transaction_start(db));
	else if (is(name, "begin_nb")) done(tdb_transaction_start_nonblock(db));
	else if (is(name, "prepare")) done(tdb_transaction_prepare_commit(db));
	else if (is(name, "commit")) done(tdb_transaction_commit(db));
	else if (is(name, "cancel")) done(tdb_transaction_cancel(db));
	else if (is(name, "wipe")) done(tdb_wipe_all(db));
	else if (is(name, "repack")) done(tdb_repack(db));
	else if (is(name, "seqnum")) truth(tdb_get_seqnum(db));
	else if (is(name, "freelist")) truth(tdb_freelist_size(db));
	else if (is(name, "mapsize")) truth((int)tdb_map_size(db));
	else if (is(name, "flags")) truth(tdb_get_flags(db));
	else if (is(name, "robust")) truth(tdb_runtime_check_for_robust_mutexes());
	else if (is(name, "check")) {
		if (tdb_check(db, NULL, NULL) == 0) printf("ok\n");
		else fail(code());
	} else if (is(name, "close")) {
		int failed = tdb_close(db);
		db = NULL;
		printf(failed == 0 ? "ok\n" : "err close\n");
	} else if (is(name, "traverse") || is(name, "traverse_read")) {
		printf("ok");
		int count = is(name, "traverse") ? tdb_traverse(db, print_record, NULL)
						 : tdb_traverse_read(db, print_record, NULL);
		printf(" %d\n", count);
	} else if (is(name, "walk")) {
		int count = tdb_traverse(db, stop_at_record, NULL);
		if (count < 0) fail(code());
		else truth(count);
	} else if (is(name, "walk_read")) {
		int count = tdb_traverse_read(db, stop_at_record, NULL);
		if (count < 0) fail(code());
		else truth(count);
	} else return false;
	return true;
}

static void record_command(char **word, TDB_DATA key, TDB_DATA value)
{
	const char *name = word[0];
	if (is(name, "store")) done(tdb_store(db, key, value, atoi(word[3])));
	else if (is(name, "append")) done(tdb_append(db, key, value));
	else if (is(name, "delete")) done(tdb_delete(db, key));
	else if (is(name, "fetch")) data_or_none(tdb_fetch(db, key));
	else if (is(name, "exists")) truth(tdb_exists(db, key));
	else if (is(name, "first")) data_or_none(tdb_firstkey(db));
	else if (is(name, "next")) data_or_none(tdb_nextkey(db, key));
	else if (!lock_command(name, key)) fail("unknown command");
}

/* False at the end of stdin. */
static bool command_loop(bool inside)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	while (fflush(stdout), (length = getline(&line, &room, stdin)) > 0) {
		char *word[WORDS_MAX];
		int count = 0;
		line[length - 1] = 0;
		for (char *part = strtok(line, " "); part != NULL; part = strtok(NULL, " ")) {
			if (count < WORDS_MAX) word[count++] = part;
		}
		if (count == 0) continue;
		while (count < WORDS_MAX) word[count++] = "-";
		log_text[0] = 0;
		if (inside && (is(word[0], "step") || is(word[0], "halt"))) {
			walk_answer = is(word[0], "halt");
			free(line);
			return true;
		}
		if (is(word[0], "open")) open_db(word);
		else if (is(word[0], "write")) write_loop(word);
		else if (is(word[0], "limit_size")) limit_size(atol(word[1]));
		else if (is(word[0], "shorten")) shorten(atol(word[1]), true);
		else if (is(word[0], "shorten_rudely")) shorten(atol(word[1]), false);
		else if (!whole_command(word[0])) {
			TDB_DATA key = unhex(word[1]);
			TDB_DATA value = unhex(is(word[0], "store") || is(word[0], "append") ? word[2] : "-");
			record_command(word, key, value);
			free(key.dptr);
			free(value.dptr);
		}
	}
	free(line);
	return false;
}

int main(void)
{
	command_loop(false);
	return 0;
}
