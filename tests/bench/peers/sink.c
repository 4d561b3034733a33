// Takes Graphite plaintext on any number of connections and adds up the values of the lines whose
// name begins with PREFIX and ends with SUFFIX (tags cut off).  statsite's "name|value|time" too.
//   sink PORT FILE PREFIX SUFFIX
// FILE is shared memory: lines, lines that matched (u64), the sum of their values (double).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1 << 18, EVENTS = 64, FILE_BYTES = 64 };

struct connection { int fd; size_t used; char bytes[ROOM + 1]; };
struct totals { uint64_t lines, matched; double sum; };

static const char *prefix, *suffix;
static volatile struct totals *totals;

static void fail(const char *what) { perror(what); exit(1); }

// Among the load's own names only counters ("requests") count, whatever the server calls the rest.
static int matches(const char *name, size_t length) {
  size_t before = strlen(prefix), after = strlen(suffix);
  if (length < before + after || memcmp(name, prefix, before)) return 0;
  if (memcmp(name + length - after, suffix, after)) return 0;
  return !strstr(prefix, "bench") || memmem(name, length, "requests", 8);
}

static void take_line(char *line) {
  size_t name = strcspn(line, " |:");
  const char *tags = memchr(line, ';', name);
  totals->lines++;
  if (!matches(line, tags ? (size_t)(tags - line) : name)) return;
  totals->matched++;
  if (line[name]) totals->sum += strtod(line + name + 1, NULL);
}

static void take(struct connection *c) {
  char *line = c->bytes, *end = c->bytes + c->used, *newline;
  while ((newline = memchr(line, '\n', end - line))) {
    *newline = 0;
    take_line(line);
    line = newline + 1;
  }
  c->used = end - line;
  memmove(c->bytes, line, c->used);
  if (c->used == ROOM) c->used = 0;
}

static int listen_on(int port) {
  int in = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(in, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  if (bind(in, (void *)&at, sizeof at) || listen(in, 128)) fail("bind");
  return in;
}

static void watch(int poll, int fd, void *what) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

int main(int count, char **words) {
  if (count != 5) { fprintf(stderr, "sink PORT FILE PREFIX SUFFIX\n"); return 2; }
  prefix = words[3]; suffix = words[4];
  int in = listen_on(atoi(words[1])), poll = epoll_create1(0), file = open(words[2], O_RDWR | O_CREAT, 0644);
  watch(poll, in, NULL);
  if (file < 0 || ftruncate(file, FILE_BYTES)) fail(words[2]);
  totals = mmap(0, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (totals == MAP_FAILED) fail("mmap");
  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poll, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      struct connection *c = events[i].data.ptr;
      if (!c) {
        int fd = accept(in, 0, 0);
        if (fd < 0) continue;
        c = malloc(sizeof *c);
        c->fd = fd; c->used = 0;
        watch(poll, fd, c);
        continue;
      }
      ssize_t got = read(c->fd, c->bytes + c->used, ROOM - c->used);
      if (got <= 0) { close(c->fd); free(c); continue; }
      c->used += got;
      take(c);
    }
  }
}
