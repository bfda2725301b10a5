/*
 * The record cycle of a client of stock ctdbd at its fastest: libtdb on the daemon's own file.
 *
 *   fetch_loop FILE TDB_FLAGS PNN KEYS BATCH OUT
 *
 * KEYS is a file of 16-byte keys in the order of use. For each: chain lock, read in place, is its dmaster PNN and are
 * there no delegations?, add 1 to the u64 at the start of the value, store with the header as it was, unlock.
 * OUT gets the ns of each BATCH operations, u64 LE. A record that lives elsewhere ends the program: they are brought
 * there beforehand.
 *
 * Does NOT promise: to keep going when ctdbd ends.
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

#define KEY_BYTES 16
#define HEADER_BYTES 24
#define VALUE_MAX 65536
#define HAVE_DELEGATIONS 0x01000000u

static unsigned char record[VALUE_MAX];
static size_t length;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "Cannot %s: %s\n", what, why);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static uint32_t word(size_t at)
{
	uint32_t value;
	memcpy(&value, record + at, sizeof(value));
	return value;
}

static int keep(TDB_DATA key, TDB_DATA data, void *unused)
{
	(void)key;
	(void)unused;
	length = data.dsize;
	if (length > VALUE_MAX) return -1;
	memcpy(record, data.dptr, length);
	return 0;
}

static void cycle(struct tdb_context *tdb, unsigned char *bytes, uint32_t pnn)
{
	TDB_DATA key = { bytes, KEY_BYTES }, data = { record, 0 };
	uint64_t counter;
	if (tdb_chainlock(tdb, key) != 0) die("lock", tdb_errorstr(tdb));
	if (tdb_parse_record(tdb, key, keep, NULL) != 0) die("read", tdb_errorstr(tdb));
	if (length < HEADER_BYTES + sizeof(counter)) die("read", "the value is too short");
	if (word(8) != pnn || (word(16) & HAVE_DELEGATIONS) != 0) die("use", "the record lives elsewhere");
	memcpy(&counter, record + HEADER_BYTES, sizeof(counter));
	counter += 1;
	memcpy(record + HEADER_BYTES, &counter, sizeof(counter));
	data.dsize = length;
	if (tdb_store(tdb, key, data, TDB_REPLACE) != 0) die("store", tdb_errorstr(tdb));
	tdb_chainunlock(tdb, key);
}

static unsigned char *read_keys(const char *path, size_t *count)
{
	struct stat info;
	FILE *file = fopen(path, "rb");
	if (file == NULL || fstat(fileno(file), &info) != 0) die("read the keys", strerror(errno));
	unsigned char *keys = malloc((size_t)info.st_size + 1);
	*count = (size_t)info.st_size / KEY_BYTES;
	if (keys == NULL || fread(keys, KEY_BYTES, *count, file) != *count) die("read the keys", strerror(errno));
	fclose(file);
	return keys;
}

int main(int argc, char **argv)
{
	size_t count, batch;
	uint32_t pnn;
	if (argc != 7) die("run", "FILE TDB_FLAGS PNN KEYS BATCH OUT");
	unsigned char *keys = read_keys(argv[4], &count);
	pnn = (uint32_t)atoi(argv[3]);
	batch = (size_t)atoi(argv[5]);
	if (batch == 0) die("run", "BATCH must be from 1");
	struct tdb_context *tdb = tdb_open(argv[1], 0, atoi(argv[2]), O_RDWR, 0600);
	if (tdb == NULL) die("open the database", strerror(errno));
	FILE *out = fopen(argv[6], "wb");
	if (out == NULL) die("write the times", strerror(errno));
	uint64_t *ns = calloc(count / batch + 1, sizeof(*ns));
	if (ns == NULL) die("run", strerror(errno));
	for (size_t i = 0; i < count / batch; i++) {
		uint64_t start = now_ns();
		for (size_t j = i * batch; j < (i + 1) * batch; j++) cycle(tdb, keys + j * KEY_BYTES, pnn);
		ns[i] = now_ns() - start;
	}
	fwrite(ns, sizeof(*ns), count / batch, out);
	if (fclose(out) != 0) die("write the times", strerror(errno));
	tdb_close(tdb);
	return 0;
}
