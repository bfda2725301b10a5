/*
 * libtdb's side of `npm run bench -- records`: what a client of CTDB does to a record that lives on its node.
 *
 *   records_peer file=/dev/shm/a.tdb records=10000 hash=10007 ops=100000 work=cycle
 *
 *   cycle   tdb_chainlock, tdb_parse_record (dmaster is mine?), tdb_store of header (rsn + 1) and value, tdb_chainunlock
 *
 * A file with robust mutexes. Words, order of steps and bytes are those of test/bench/records_engine.ts, so the files
 * must have equal content afterwards. What is timed is the loop over `ops` operations and nothing else.
 *
 * Does NOT promise: to clean up the real file; the driver does, after it has checked it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tdb.h>
#include <time.h>
#include <unistd.h>

#define KEY_BYTES 16
#define VALUE_BYTES 100
#define SEED 88172645463325252ULL
#define GOLDEN 0x9E3779B97F4A7C15ULL
#define COLD_OPS 1000
#define WARM_RECORDS 2000
#define WARM_HASH_MAX 10007
#define OWN_PNN 3

struct header {
	uint64_t rsn;
	uint32_t dmaster, index, flags, pad;
};

struct record {
	struct header header; /* 24 bytes, no more behind it */
	uint8_t value[VALUE_BYTES];
} __attribute__((packed));

static struct {
	const char *file, *work;
	uint32_t records, hash, ops, warm;
} set;
static struct tdb_context *tdb;
static uint64_t seed = SEED;
static uint32_t salt, sum;
static uint8_t *keys;
static struct record fresh;

static void die(const char *what)
{
	fprintf(stderr, "Cannot %s: %s\n", what, tdb ? tdb_errorstr(tdb) : strerror(errno));
	exit(1);
}

/* Time of the processor: what others on the machine do is not ours. */
static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(((seed >> 32) * below) >> 32);
}

static void put_key(uint8_t *key, uint64_t counter)
{
	uint64_t words[2] = { counter, counter * GOLDEN };
	memcpy(key, words, KEY_BYTES);
}

static void put_counter(uint32_t low, uint32_t high)
{
	uint32_t words[2] = { low, high };
	memcpy(fresh.value, words, 8);
}

static void open_file(const char *path, uint32_t hash)
{
	int flags = TDB_INCOMPATIBLE_HASH | TDB_NOSYNC | TDB_MUTEX_LOCKING | TDB_CLEAR_IF_FIRST;
	unlink(path);
	tdb = tdb_open(path, (int)hash, flags, O_RDWR | O_CREAT, 0600);
	if (tdb == NULL) die("open the file");
}

static void store(uint8_t *bytes)
{
	TDB_DATA key = { bytes, KEY_BYTES }, data = { (uint8_t *)&fresh, sizeof(fresh) };
	if (tdb_store(tdb, key, data, TDB_REPLACE) != 0) die("store");
}

static void fill(uint32_t records)
{
	for (uint32_t i = 0; i < records; i++) {
		uint8_t bytes[KEY_BYTES];
		struct header header = { 1, OWN_PNN, i + 1, 0, 0 };
		put_key(bytes, i);
		fresh.header = header;
		put_counter(i, 0);
		store(bytes);
	}
}

static int see(TDB_DATA key, TDB_DATA data, void *unused)
{
	struct header header;
	(void)key;
	(void)unused;
	memcpy(&header, data.dptr, sizeof(header));
	if (header.dmaster != OWN_PNN || header.flags != 0) return -1;
	header.rsn += 1;
	fresh.header = header;
	sum += data.dptr[sizeof(header)];
	return 0;
}

static uint64_t run(uint32_t ops, uint32_t records)
{
	for (uint32_t i = 0; i < ops; i++) put_key(keys + (size_t)i * KEY_BYTES, draw(records));
	salt += 1;
	uint64_t start = now_ns();
	for (uint32_t i = 0; i < ops; i++) {
		uint8_t bytes[KEY_BYTES];
		TDB_DATA key = { bytes, KEY_BYTES };
		memcpy(bytes, keys + (size_t)i * KEY_BYTES, KEY_BYTES);
		if (tdb_chainlock(tdb, key) != 0) die("lock");
		if (tdb_parse_record(tdb, key, see, NULL) != 0) die("parse");
		put_counter(i, salt);
		store(bytes);
		if (tdb_chainunlock(tdb, key) != 0) die("unlock");
	}
	return now_ns() - start;
}

struct content {
	uint32_t sum, mixed, records;
};

static int add_content(struct tdb_context *of, TDB_DATA key, TDB_DATA data, void *private)
{
	struct content *content = private;
	uint32_t hash = 0x811C9DC5;
	(void)of;
	for (size_t i = 0; i < key.dsize; i++) hash = (hash ^ key.dptr[i]) * 0x01000193;
	for (size_t i = 0; i < data.dsize; i++) hash = (hash ^ data.dptr[i]) * 0x01000193;
	content->sum += hash;
	content->mixed ^= (hash ^ (hash >> 15)) * 0x9E3779B1;
	content->records += 1;
	return 0;
}

static void verify(const char *file)
{
	struct content content = { 0, 0, 0 };
	struct stat status;
	tdb = tdb_open(file, 0, TDB_NOLOCK, O_RDONLY, 0);
	if (tdb == NULL) die("open the file for reading");
	if (tdb_check(tdb, NULL, NULL) != 0) die("check the file");
	if (tdb_traverse_read(tdb, add_content, &content) < 0) die("traverse");
	if (fstat(tdb_fd(tdb), &status) != 0) die("see the size");
	printf("{\"work\":\"content\",\"hash\":\"%08x%08x\",\"records\":%u,\"bytes\":%lld}\n", content.sum,
	       content.mixed, content.records, (long long)status.st_size);
	tdb_close(tdb);
}

static double warm_up(void)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s.warm", set.file);
	uint32_t records = set.records < WARM_RECORDS ? set.records : WARM_RECORDS;
	uint32_t ops = set.ops < COLD_OPS ? set.ops : COLD_OPS;
	open_file(path, set.hash < WARM_HASH_MAX ? set.hash : WARM_HASH_MAX);
	fill(records);
	double cold = (double)run(ops, records) / ops;
	for (uint32_t done = 0; done < set.warm; done += ops) run(ops, records);
	tdb_close(tdb);
	unlink(path);
	return cold;
}

static void settings(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *at = strchr(argv[i], '=');
		if (at == NULL) continue;
		const char *value = at + 1;
		size_t length = (size_t)(at - argv[i]);
		if (strncmp(argv[i], "file", length) == 0) set.file = value;
		else if (strncmp(argv[i], "work", length) == 0) set.work = value;
		else if (strncmp(argv[i], "records", length) == 0) set.records = (uint32_t)atol(value);
		else if (strncmp(argv[i], "hash", length) == 0) set.hash = (uint32_t)atol(value);
		else if (strncmp(argv[i], "ops", length) == 0) set.ops = (uint32_t)atol(value);
		else if (strncmp(argv[i], "warm", length) == 0) set.warm = (uint32_t)atol(value);
	}
}

int main(int argc, char **argv)
{
	settings(argc, argv);
	if (strcmp(set.work, "verify") == 0) {
		verify(set.file);
		return 0;
	}
	if (strcmp(set.work, "cycle") != 0) {
		fprintf(stderr, "Cannot run %s: there is no such work\n", set.work);
		return 2;
	}
	for (int i = 0; i < VALUE_BYTES; i++) fresh.value[i] = (uint8_t)(i * 7 + 1);
	keys = malloc((size_t)(set.ops > COLD_OPS ? set.ops : COLD_OPS) * KEY_BYTES);
	double cold = warm_up();
	seed = SEED;
	salt = 1000;
	open_file(set.file, set.hash);
	fill(set.records);
	run(set.ops / 10, set.records);
	uint64_t ns = run(set.ops, set.records);
	tdb_close(tdb);
	printf("{\"work\":\"cycle\",\"ops\":%u,\"ns\":%llu,\"coldNs\":%.1f,\"sum\":%u}\n", set.ops,
	       (unsigned long long)ns, cold, sum);
	return 0;
}
