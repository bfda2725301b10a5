/*
 * libtdb's side of `npm run bench -- tdb`: runs named workloads on one file and prints a JSON line for each.
 *
 *   tdb_peer file=/dev/shm/a.tdb records=10000 hash=10007 lock=none ops=100000 work=insert,parse,store
 *
 * The same program in TypeScript is test/bench/tdb_engine.ts; words, order of steps, generator and bytes are
 * equal on both sides, so the files must have equal content afterwards. What is timed is the loop over `ops`
 * operations and nothing else: keys are laid out in the order of use before the clock starts.
 *
 *   warm-up file: load, each work: 1000 operations (reported as cold), warm ops     then removed
 *   real file:    load or "insert", each work: ops/10 unmeasured, ops measured      then content hash
 *
 * Does NOT promise: to clean up the real file; the driver does, after it has checked it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tdb.h>
#include <time.h>
#include <unistd.h>

#define KEY_BYTES 16
#define SEED 88172645463325252ULL
#define GOLDEN 0x9E3779B97F4A7C15ULL
#define COLD_OPS 1000
#define WARM_HASH_MAX 10007 /* a million chains would be most of the warm-up */
#define BATCH 100 /* stores of one "batch" transaction */
#define WINDOW_COUNT 10

struct settings {
	const char *file, *lock, *work;
	uint32_t records, hash, ops, warm, value;
	bool sync;
};

struct bench {
	struct settings set;
	struct tdb_context *tdb;
	uint64_t seed;
	uint32_t records; /* of the open file */
	uint32_t salt;    /* high word of the counter in a value: makes each work's values new */
	uint32_t sum;     /* of first bytes: results are used */
	uint8_t *keys;    /* in the order of use */
	uint32_t *lengths;
	uint8_t *value;
	uint64_t windows[WINDOW_COUNT];
};

static void die(const char *what, struct tdb_context *tdb)
{
	fprintf(stderr, "Cannot %s: %s\n", what, tdb ? tdb_errorstr(tdb) : strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* xorshift64; the upper half, scaled to [0, below). */
static uint32_t draw(struct bench *b, uint32_t below)
{
	uint64_t x = b->seed;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	b->seed = x;
	return (uint32_t)(((x >> 32) * below) >> 32);
}

static void put_key(uint8_t *key, uint64_t counter)
{
	uint64_t words[2] = { counter, counter * GOLDEN };
	memcpy(key, words, KEY_BYTES);
}

/* Counter in the first 8 bytes, as all engines skip a store of identical bytes. */
static void put_counter(struct bench *b, uint32_t low, uint32_t high)
{
	uint32_t words[2] = { low, high };
	memcpy(b->value, words, 8);
}

static struct tdb_context *open_file(struct bench *b, const char *file, bool create, uint32_t hash)
{
	int flags = TDB_INCOMPATIBLE_HASH | (b->set.sync ? 0 : TDB_NOSYNC);
	if (strcmp(b->set.lock, "none") == 0) flags |= TDB_NOLOCK;
	if (strcmp(b->set.lock, "mutex") == 0) {
		if (!tdb_runtime_check_for_robust_mutexes()) die("use robust mutexes", NULL);
		flags |= TDB_MUTEX_LOCKING | TDB_CLEAR_IF_FIRST;
	}
	struct tdb_context *tdb =
		tdb_open(file, (int)hash, flags, create ? O_RDWR | O_CREAT : O_RDWR, 0600);
	if (tdb == NULL) die("open the file", NULL);
	return tdb;
}

static void store(struct bench *b, const uint8_t *bytes, uint32_t length)
{
	TDB_DATA key = { (uint8_t *)bytes, KEY_BYTES }, data = { b->value, length };
	if (tdb_store(b->tdb, key, data, TDB_REPLACE) != 0) die("store", b->tdb);
}

/* Records 0 .. records-1, each with its index as counter; ns. The keys are laid out by the caller. */
static uint64_t fill(struct bench *b)
{
	uint64_t start = now_ns();
	for (uint32_t i = 0; i < b->records; i++) {
		uint8_t key[KEY_BYTES];
		memcpy(key, b->keys + (size_t)i * KEY_BYTES, KEY_BYTES);
		put_counter(b, i, 0);
		store(b, key, b->set.value);
	}
	return now_ns() - start;
}

static void lay_out_fill(struct bench *b)
{
	for (uint32_t i = 0; i < b->records; i++) put_key(b->keys + (size_t)i * KEY_BYTES, i);
}

/* Random present keys (miss: absent ones), and lengths 1..3 times the value's. */
static void lay_out(struct bench *b, const char *work, uint32_t count)
{
	uint32_t first = strcmp(work, "miss") == 0 ? b->records : 0;
	bool vary = strcmp(work, "vary") == 0;
	for (uint32_t i = 0; i < count; i++) {
		put_key(b->keys + (size_t)i * KEY_BYTES, (uint64_t)first + draw(b, b->records));
		if (vary) b->lengths[i] = b->set.value + draw(b, 2 * b->set.value + 1);
	}
}

static int read_first(TDB_DATA key, TDB_DATA data, void *sum)
{
	(void)key;
	*(uint32_t *)sum += data.dptr[0];
	return 0;
}

static int visit_first(struct tdb_context *tdb, TDB_DATA key, TDB_DATA data, void *sum)
{
	(void)tdb;
	return read_first(key, data, sum);
}

#define EACH_KEY(count)                                                                   \
	for (uint32_t i = 0; i < (count); i++) {                                          \
		uint8_t bytes[KEY_BYTES];                                                 \
		TDB_DATA key = { bytes, KEY_BYTES };                                      \
		(void)key;                                                                \
		memcpy(bytes, b->keys + (size_t)i * KEY_BYTES, KEY_BYTES);

static void run_parse(struct bench *b, uint32_t ops)
{
	EACH_KEY(ops)
		if (tdb_parse_record(b->tdb, key, read_first, &b->sum) != 0) die("parse", b->tdb);
	}
}

static void run_miss(struct bench *b, uint32_t ops)
{
	EACH_KEY(ops)
		if (tdb_parse_record(b->tdb, key, read_first, &b->sum) == 0) die("miss", b->tdb);
		b->sum += 1;
	}
}

static void run_fetch(struct bench *b, uint32_t ops)
{
	EACH_KEY(ops)
		TDB_DATA data = tdb_fetch(b->tdb, key);
		if (data.dptr == NULL) die("fetch", b->tdb);
		b->sum += data.dptr[0];
		free(data.dptr);
	}
}

static void run_same(struct bench *b, uint32_t ops)
{
	EACH_KEY(ops)
		uint32_t counter;
		memcpy(&counter, bytes, 4);
		put_counter(b, counter, 0);
		store(b, bytes, b->set.value);
	}
}

static void run_store(struct bench *b, uint32_t ops)
{
	EACH_KEY(ops)
		put_counter(b, i, b->salt);
		store(b, bytes, b->set.value);
	}
}

static void run_cycle(struct bench *b, uint32_t ops)
{
	EACH_KEY(ops)
		if (tdb_delete(b->tdb, key) != 0) die("delete", b->tdb);
		put_counter(b, i, b->salt);
		store(b, bytes, b->set.value);
	}
}

static void run_vary(struct bench *b, uint32_t ops)
{
	uint32_t window = ops < WINDOW_COUNT ? 1 : ops / WINDOW_COUNT, at = 0;
	uint64_t start = now_ns();
	EACH_KEY(ops)
		put_counter(b, i, b->salt);
		store(b, bytes, b->lengths[i]);
		if ((i + 1) % window == 0 && at < WINDOW_COUNT) {
			uint64_t end = now_ns();
			b->windows[at++] = end - start;
			start = end;
		}
	}
}

/* Transactions of `batch` stores each. */
static void run_transaction(struct bench *b, uint32_t ops, uint32_t batch)
{
	for (uint32_t op = 0; op < ops; op++) {
		if (tdb_transaction_start(b->tdb) != 0) die("begin", b->tdb);
		for (uint32_t j = 0; j < batch; j++) {
			uint32_t i = op * batch + j;
			put_counter(b, i, b->salt);
			store(b, b->keys + (size_t)i * KEY_BYTES, b->set.value);
		}
		if (tdb_transaction_commit(b->tdb) != 0) die("commit", b->tdb);
	}
}

static uint32_t keys_per_op(const char *work)
{
	return strcmp(work, "batch") == 0 ? BATCH : 1;
}

/* Lays the keys out, then runs `ops` operations of one work; returns ns. */
static uint64_t run(struct bench *b, const char *work, uint32_t ops)
{
	bool walk = strcmp(work, "traverse") == 0 || strcmp(work, "check") == 0;
	if (!walk) lay_out(b, work, ops * keys_per_op(work));
	b->salt += 1;
	uint64_t start = now_ns();
	if (strcmp(work, "parse") == 0) run_parse(b, ops);
	else if (strcmp(work, "miss") == 0) run_miss(b, ops);
	else if (strcmp(work, "fetch") == 0) run_fetch(b, ops);
	else if (strcmp(work, "same") == 0) run_same(b, ops);
	else if (strcmp(work, "store") == 0) run_store(b, ops);
	else if (strcmp(work, "cycle") == 0) run_cycle(b, ops);
	else if (strcmp(work, "vary") == 0) run_vary(b, ops);
	else if (strcmp(work, "transaction") == 0) run_transaction(b, ops, 1);
	else if (strcmp(work, "batch") == 0) run_transaction(b, ops, BATCH);
	else if (strcmp(work, "traverse") == 0) {
		if (tdb_traverse_read(b->tdb, visit_first, &b->sum) < 0) die("traverse", b->tdb);
	} else if (strcmp(work, "check") == 0) {
		if (tdb_check(b->tdb, NULL, NULL) != 0) die("check", b->tdb);
	} else {
		fprintf(stderr, "Cannot run %s: there is no such work\n", work);
		exit(2);
	}
	return now_ns() - start;
}

static uint32_t operations(struct bench *b, const char *work, uint32_t ops)
{
	if (strcmp(work, "traverse") == 0 || strcmp(work, "check") == 0) return b->records;
	return ops;
}

/* ns of the first COLD_OPS operations of a work, then `warm` more. On a file of its own. */
static double warm_up(struct bench *b, const char *work)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s.warm", b->set.file);
	unlink(path);
	b->records = b->set.records < 2000 ? b->set.records : 2000;
	uint32_t hash = b->set.hash < WARM_HASH_MAX ? b->set.hash : WARM_HASH_MAX;
	b->tdb = open_file(b, path, true, hash);
	lay_out_fill(b);
	uint64_t ns = fill(b);
	uint32_t ops = b->set.ops < COLD_OPS ? b->set.ops : COLD_OPS;
	double cold = (double)ns / b->records;
	if (strcmp(work, "insert") != 0) {
		cold = (double)run(b, work, ops) / operations(b, work, ops);
		for (uint32_t done = 0; done < b->set.warm; done += operations(b, work, ops)) {
			run(b, work, ops);
		}
	}
	tdb_close(b->tdb);
	unlink(path);
	return cold;
}

/* Inserts from empty, more than once while that is short; the last file stays open. */
static uint64_t insert(struct bench *b, uint32_t *ops)
{
	uint32_t times = b->set.ops / b->records;
	if (times == 0) times = 1;
	uint64_t ns = 0;
	lay_out_fill(b);
	for (uint32_t time = 0; time < times; time++) {
		if (b->tdb != NULL) tdb_close(b->tdb);
		unlink(b->set.file);
		b->tdb = open_file(b, b->set.file, true, b->set.hash);
		ns += fill(b);
	}
	*ops = times * b->records;
	return ns;
}

static void report(struct bench *b, const char *work, uint32_t ops, uint64_t ns, double cold)
{
	printf("{\"work\":\"%s\",\"ops\":%u,\"ns\":%llu,\"coldNs\":%.1f,\"sum\":%u", work, ops,
	       (unsigned long long)ns, cold, b->sum);
	if (strcmp(work, "vary") == 0) {
		for (int i = 0; i < WINDOW_COUNT; i++) {
			printf("%s%llu", i == 0 ? ",\"windows\":[" : ",",
			       (unsigned long long)b->windows[i]);
		}
		printf("]");
	}
	printf("}\n");
}

struct content {
	uint32_t sum, mixed, records;
};

static int add_content(struct tdb_context *tdb, TDB_DATA key, TDB_DATA data, void *private)
{
	struct content *content = private;
	uint32_t hash = 0x811C9DC5;
	(void)tdb;
	for (size_t i = 0; i < key.dsize; i++) hash = (hash ^ key.dptr[i]) * 0x01000193;
	for (size_t i = 0; i < data.dsize; i++) hash = (hash ^ data.dptr[i]) * 0x01000193;
	content->sum += hash;
	content->mixed ^= (hash ^ (hash >> 15)) * 0x9E3779B1;
	content->records += 1;
	return 0;
}

/* Hash of all records whatever their order, by an own read-only handle. Checks the file as well. */
static void verify(const char *file)
{
	struct content content = { 0, 0, 0 };
	struct stat status;
	struct tdb_context *tdb = tdb_open(file, 0, TDB_NOLOCK, O_RDONLY, 0);
	if (tdb == NULL) die("open the file for reading", NULL);
	if (tdb_check(tdb, NULL, NULL) != 0) die("check the file", tdb);
	if (tdb_traverse_read(tdb, add_content, &content) < 0) die("traverse", tdb);
	if (fstat(tdb_fd(tdb), &status) != 0) die("see the size", NULL);
	printf("{\"work\":\"content\",\"hash\":\"%08x%08x\",\"records\":%u,\"bytes\":%lld}\n", content.sum,
	       content.mixed, content.records, (long long)status.st_size);
	tdb_close(tdb);
}

/* Resident memory in KiB by kind, after each key was read once. */
static void report_memory(struct bench *b)
{
	char line[256];
	b->tdb = open_file(b, b->set.file, false, b->set.hash);
	for (uint32_t i = 0; i < b->set.records; i++) {
		uint8_t bytes[KEY_BYTES];
		TDB_DATA key = { bytes, KEY_BYTES };
		put_key(bytes, i);
		if (tdb_parse_record(b->tdb, key, read_first, &b->sum) != 0) die("parse", b->tdb);
	}
	FILE *status = fopen("/proc/self/status", "r");
	printf("{\"work\":\"memory\",\"sum\":%u", b->sum);
	while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
		unsigned kib;
		if (sscanf(line, "VmRSS: %u", &kib) == 1) printf(",\"all\":%u", kib);
		if (sscanf(line, "RssAnon: %u", &kib) == 1) printf(",\"own\":%u", kib);
		if (sscanf(line, "RssFile: %u", &kib) == 1) printf(",\"file\":%u", kib);
		if (sscanf(line, "RssShmem: %u", &kib) == 1) printf(",\"shared\":%u", kib);
	}
	printf("}\n");
	if (status != NULL) fclose(status);
	tdb_close(b->tdb);
}

/* Opens a file `ops` times; also the first read after each open. */
static void report_open(struct bench *b)
{
	uint64_t open_ns = 0, read_ns = 0;
	for (uint32_t i = 0; i < b->set.ops + 1; i++) {
		uint8_t bytes[KEY_BYTES];
		TDB_DATA key = { bytes, KEY_BYTES };
		put_key(bytes, 1 + 10 * draw(b, b->set.records / 10));
		uint64_t start = now_ns();
		b->tdb = open_file(b, b->set.file, false, b->set.hash);
		uint64_t opened = now_ns();
		if (tdb_parse_record(b->tdb, key, read_first, &b->sum) != 0) die("parse", b->tdb);
		/* The first time stands for warming up. */
		if (i > 0) {
			open_ns += opened - start;
			read_ns += now_ns() - opened;
		}
		tdb_close(b->tdb);
	}
	report(b, "open", b->set.ops, open_ns, 0);
	report(b, "first-read", b->set.ops, read_ns, 0);
}

/* Records of the big file, and every tenth deleted: free records that an opener should not look at. */
static void build(struct bench *b)
{
	b->records = b->set.records;
	b->tdb = open_file(b, b->set.file, true, b->set.hash);
	lay_out_fill(b);
	fill(b);
	for (uint32_t i = 0; i < b->set.records; i += 10) {
		TDB_DATA key = { b->keys + (size_t)i * KEY_BYTES, KEY_BYTES };
		if (tdb_delete(b->tdb, key) != 0) die("delete", b->tdb);
	}
	tdb_close(b->tdb);
}

static void run_all(struct bench *b)
{
	char *works = strdup(b->set.work), *rest = works, *work;
	double cold[32];
	int index = 0;
	while ((work = strsep(&rest, ",")) != NULL && index < 32) cold[index++] = warm_up(b, work);
	b->records = b->set.records;
	b->seed = SEED;
	b->salt = 1000;
	b->sum = 0;
	b->tdb = NULL;
	strcpy(works, b->set.work);
	rest = works;
	for (index = 0; (work = strsep(&rest, ",")) != NULL; index++) {
		uint32_t ops = operations(b, work, b->set.ops);
		uint64_t ns;
		if (strcmp(work, "insert") == 0) {
			ns = insert(b, &ops);
		} else {
			if (b->tdb == NULL) {
				b->tdb = open_file(b, b->set.file, true, b->set.hash);
				lay_out_fill(b);
				fill(b);
			}
			if (operations(b, work, 1) == 1) run(b, work, b->set.ops / 10);
			ns = run(b, work, b->set.ops);
		}
		report(b, work, ops, ns, cold[index]);
		fflush(stdout);
	}
	tdb_close(b->tdb);
	free(works);
}

int main(int argc, char **argv)
{
	struct bench b = { .set = { .file = "", .lock = "none", .work = "", .records = 1000,
				    .hash = 10007, .ops = 1000, .warm = 20000, .value = 100 },
			   .seed = SEED };
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (value == NULL) continue;
		*value++ = 0;
		uint32_t number = (uint32_t)strtoul(value, NULL, 10);
		if (strcmp(argv[i], "file") == 0) b.set.file = value;
		else if (strcmp(argv[i], "lock") == 0) b.set.lock = value;
		else if (strcmp(argv[i], "work") == 0) b.set.work = value;
		else if (strcmp(argv[i], "records") == 0) b.set.records = number;
		else if (strcmp(argv[i], "hash") == 0) b.set.hash = number;
		else if (strcmp(argv[i], "ops") == 0) b.set.ops = number;
		else if (strcmp(argv[i], "warm") == 0) b.set.warm = number;
		else if (strcmp(argv[i], "value") == 0) b.set.value = number;
		else if (strcmp(argv[i], "sync") == 0) b.set.sync = number != 0;
	}
	size_t count = (size_t)b.set.ops * BATCH;
	if (strstr(b.set.work, "batch") == NULL) count = b.set.ops;
	if (count < b.set.records) count = b.set.records;
	b.value = malloc(3 * (size_t)b.set.value);
	for (uint32_t i = 0; i < 3 * b.set.value; i++) b.value[i] = (uint8_t)(i * 7 + 1);
	if (strcmp(b.set.work, "verify") == 0) return verify(b.set.file), 0;
	if (strcmp(b.set.work, "memory") == 0) return report_memory(&b), 0;
	if (strcmp(b.set.work, "open") == 0) return report_open(&b), 0;
	b.keys = malloc(count * KEY_BYTES);
	b.lengths = malloc(count * sizeof(uint32_t));
	if (b.keys == NULL || b.lengths == NULL || b.value == NULL) die("allocate", NULL);
	if (strcmp(b.set.work, "build") == 0) build(&b);
	else run_all(&b);
	return 0;
}
