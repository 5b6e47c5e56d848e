/*
 * LD_PRELOAD shim for tests: records what is written and synced to LMDB's data file, and makes it fail on demand.
 *
 *   STORAGE_SHIM_SUFFIX=...  end of the names of other files to do this to; without it "/data.mdb"
 *   STORAGE_SHIM_LOG=path    each call is appended as one line when it is done: "pwrite <bytes> <is meta 0|1>" or
 *                            "fdatasync"; and, before it is made, each write to a TCP socket: "send"
 *   STORAGE_SHIM_FAULT=...   "<call>:<what>": call is pwrite (of pages), meta (of a meta page) or fdatasync; what is EIO, ENOSPC, hang
 *                            or "slow <ms>", which takes so much longer. Read at every call, so the test sets it from inside the
 *                            process when it wants.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static int is_data_file(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const char *wanted = getenv("STORAGE_SHIM_SUFFIX");
  const char *suffix = wanted ? wanted : "/data.mdb";
  if (length < (ssize_t)strlen(suffix)) return 0;
  return strcmp(path + length - strlen(suffix), suffix) == 0;
}

static int is_tcp(int fd) {
  int domain = 0;
  socklen_t length = sizeof domain;
  int error = errno;
  int is_known = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0;
  errno = error;
  return is_known && (domain == AF_INET || domain == AF_INET6);
}

static void record(const char *line) {
  const char *log = getenv("STORAGE_SHIM_LOG");
  if (!log) return;
  int fd = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (fd < 0) return;
  if (write(fd, line, strlen(line)) < 0) abort();
  close(fd);
}

/* Returns 1 with errno set when the call must fail. */
static int fault(const char *call) {
  const char *wanted = getenv("STORAGE_SHIM_FAULT");
  size_t length = strlen(call);
  if (!wanted || strncmp(wanted, call, length) != 0 || wanted[length] != ':') return 0;
  const char *what = wanted + length + 1;
  if (strcmp(what, "hang") == 0)
    for (;;) pause();
  if (strncmp(what, "slow ", 5) == 0) {
    usleep((useconds_t)atoi(what + 5) * 1000);
    return 0;
  }
  errno = strcmp(what, "ENOSPC") == 0 ? ENOSPC : EIO;
  return 1;
}

static ssize_t do_pwrite(const char *symbol, int fd, const void *bytes, size_t count, off_t at) {
  ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, symbol);
  if (is_data_file(fd)) {
    /* LMDB writes its meta pages through a descriptor of their own, which syncs each write. */
    int is_meta = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
    if (fault(is_meta ? "meta" : "pwrite")) return -1;
    ssize_t written = real(fd, bytes, count, at);
    char line[64];
    snprintf(line, sizeof line, "pwrite %zu %d\n", count, is_meta);
    record(line);
    return written;
  }
  return real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return do_pwrite("pwrite", fd, bytes, count, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
  return do_pwrite("pwrite64", fd, bytes, count, at);
}

/* Writes of several pages: LMDB seeks and calls writev. */
#include <sys/uio.h>
ssize_t writev(int fd, const struct iovec *parts, int count) {
  ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
  if (is_data_file(fd)) {
    if (fault("pwrite")) return -1;
    ssize_t written = real(fd, parts, count);
    record("pwrite 0 0\n");
    return written;
  }
  if (is_tcp(fd)) record("send\n");
  return real(fd, parts, count);
}

/* What libuv sends small messages with. */
ssize_t write(int fd, const void *bytes, size_t count) {
  ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
  if (is_tcp(fd)) record("send\n");
  return real(fd, bytes, count);
}

int fdatasync(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
  if (is_data_file(fd)) {
    if (fault("fdatasync")) return -1;
    int result = real(fd);
    record("fdatasync\n");
    return result;
  }
  return real(fd);
}
