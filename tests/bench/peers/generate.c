// Load for statsd and Graphite servers.  Everything is built in memory before the clock starts;
// one line of JSON at the end says what was sent and how long it took.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { COUNTER, TIMER, GAUGE, SET, KINDS };
enum { UDP_SEGMENT_OPTION = 103, LINE_MOST = 256, BATCH_MOST = 1024, WRITE_MOST = 65536, CYCLE = 200000 };

// A load that did not get its core for a while does not catch up by a burst that no client would send,
// unless it is told how many seconds it may make up for; then it does so at twice the rate.
static const double LATE_MOST = 0.005;

struct options {
  const char *host, *prefix;
  int port, tcp, graphite, mixed, tags, wait, packet, batch, connections, segments;
  long lines, names;
  double seconds, rate, late;
};

// A datagram, or on a stream a piece that ends with a line.
struct packet { size_t offset; uint32_t length, lines, of[KINDS]; };

struct load {
  char *bytes;
  size_t used, room;
  struct packet *packets;
  long count, made;
};

struct sent { long lines, packets, of[KINDS]; double seconds; };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint32_t chance(void) {
  static uint64_t state = 88172645463325252ull;
  state ^= state << 13; state ^= state >> 7; state ^= state << 17;
  return (uint32_t)(state >> 32);
}

static void fail(const char *what) { perror(what); exit(1); }

static void usage(void) {
  fprintf(stderr,
    "generate -p port [-H host] [-P udp|tcp] [-f statsd|graphite] [-n lines] [-d most seconds]\n"
    "  [-z bytes a packet, 0: one line each] [-k distinct names] [-m (kinds mixed)] [-t (DogStatsD tags)]\n"
    "  [-r lines/s, 0: flat out] [-b packets a call] [-c TCP connections] [-x first part of names]\n"
    "  [-g equal datagrams cut from one send] [-w (TCP: wait until the server closes)]\n"
    "  [-l seconds that it may be behind the rate and catch up]\n");
  exit(2);
}

static struct options read_options(int count, char **words) {
  struct options o = {.host = "127.0.0.1", .prefix = "bench", .batch = 32, .connections = 1,
                      .lines = 1000000, .names = 1000, .late = LATE_MOST};
  int letter;
  while ((letter = getopt(count, words, "H:p:P:f:n:d:z:k:mtr:b:c:x:wg:l:")) != -1) switch (letter) {
    case 'H': o.host = optarg; break;
    case 'p': o.port = atoi(optarg); break;
    case 'P': o.tcp = !strcmp(optarg, "tcp"); break;
    case 'f': o.graphite = !strcmp(optarg, "graphite"); break;
    case 'n': o.lines = atol(optarg); break;
    case 'd': o.seconds = atof(optarg); break;
    case 'z': o.packet = atoi(optarg); break;
    case 'k': o.names = atol(optarg); break;
    case 'm': o.mixed = 1; break;
    case 't': o.tags = 1; break;
    case 'r': o.rate = atof(optarg); break;
    case 'b': o.batch = atoi(optarg); break;
    case 'c': o.connections = atoi(optarg); break;
    case 'x': o.prefix = optarg; break;
    case 'w': o.wait = 1; break;
    case 'g': o.segments = atoi(optarg); break;
    case 'l': o.late = atof(optarg); break;
    default: usage();
  }
  if (!o.port || o.lines < 1 || o.names < 1 || o.connections < 1) usage();
  if (o.batch > BATCH_MOST) o.batch = BATCH_MOST;
  return o;
}

// One line into `line`; its kind into `kind`.
static int write_line(const struct options *o, char *line, uint32_t id, long time, int *kind) {
  if (o->graphite)
    return sprintf(line, "%s.app%02u.host%02u.requests.m%06u %u.%02u %ld\n", o->prefix, id % 16, id % 50, id,
                   chance() % 1000, chance() % 100, time);
  static const char *named[KINDS] = {"requests", "latency", "depth", "users"};
  static const char *letters[KINDS] = {"c", "ms", "g", "s"};
  uint32_t share = id % 100, value = 1;
  *kind = !o->mixed || share < 60 ? COUNTER : share < 85 ? TIMER : share < 95 ? GAUGE : SET;
  if (*kind == TIMER) value = 1 + chance() % 2000;
  else if (*kind == GAUGE) value = chance() % 100;
  else if (*kind == SET) value = chance() % 1000;
  int length = sprintf(line, "%s.app%02u.host%02u.%s.m%06u:%u|%s", o->prefix, id % 16, id % 50, named[*kind],
                       id, value, letters[*kind]);
  if (o->tags) length += sprintf(line + length, "|#env:prod,host:web%02u,region:eu-west-1", id % 20);
  return length;
}

static void shuffle(uint32_t *ids, long count) {
  for (long i = count - 1; i > 0; i--) {
    long j = chance() % (i + 1);
    uint32_t kept = ids[i]; ids[i] = ids[j]; ids[j] = kept;
  }
}

// statsd: a cycle of lines that is sent again and again, each name equally often.  Graphite: every
// point with a time of its own, ten seconds apart for each path, up to now.
static struct load build(const struct options *o) {
  long cycle = o->graphite ? o->lines : (CYCLE + o->names - 1) / o->names * o->names;
  if (cycle > o->lines) cycle = o->lines;
  int separated = !o->graphite;
  struct load l = {.room = (size_t)cycle * 110 + 65536};
  l.bytes = malloc(l.room);
  l.packets = malloc((cycle + 1) * sizeof *l.packets);
  uint32_t *ids = malloc(o->names * sizeof *ids);
  for (long i = 0; i < o->names; i++) ids[i] = i;
  long start = time(NULL) - o->lines / o->names * 10;
  struct packet *open = NULL;
  for (; l.made < cycle; l.made++) {
    if (l.made % o->names == 0) shuffle(ids, o->names);
    char line[LINE_MOST];
    int kind = COUNTER;
    int length = write_line(o, line, ids[l.made % o->names], start + l.made / o->names * 10, &kind);
    if (l.used + LINE_MOST + 1 > l.room) l.bytes = realloc(l.bytes, l.room *= 2);
    if (!open || !o->packet || open->length + length + separated > (uint32_t)o->packet) {
      open = &l.packets[l.count++];
      *open = (struct packet){.offset = l.used};
    } else if (separated) { l.bytes[l.used++] = '\n'; open->length++; }
    memcpy(l.bytes + l.used, line, length);
    l.used += length; open->length += length; open->lines++; open->of[kind]++;
  }
  free(ids);
  return l;
}

// The kernel cuts one large send into datagrams of equal size, so that one core can offer more of them.
static void join_segments(const struct options *o, struct load *l, int socket) {
  uint32_t length = l->packets[0].length;
  for (long i = 0; i < l->count; i++)
    if (l->packets[i].length != length || l->packets[i].lines != 1) {
      fprintf(stderr, "-g wants equal lines\n");
      exit(2);
    }
  int size = length;
  if (setsockopt(socket, IPPROTO_UDP, UDP_SEGMENT_OPTION, &size, sizeof size)) fail("UDP_SEGMENT");
  l->count /= o->segments;
  for (long i = 0; i < l->count; i++) {
    struct packet joined = {.offset = l->packets[i * o->segments].offset, .length = length * o->segments,
                            .lines = o->segments, .of = {o->segments}};
    l->packets[i] = joined;
  }
}

// Errors after which sending goes on.
static int passes(int error) {
  return error == ECONNREFUSED || error == EINTR || error == EAGAIN || error == ENOBUFS;
}

static int send_some(const struct options *o, struct load *l, int socket, long *at, long quota,
                     struct mmsghdr *calls, struct iovec *parts) {
  int count = 0;
  long lines = 0, next = *at;
  for (; count < o->batch && lines < quota; count++) {
    struct packet *p = &l->packets[next];
    parts[count] = (struct iovec){l->bytes + p->offset, p->length};
    calls[count].msg_hdr.msg_iov = &parts[count];
    calls[count].msg_hdr.msg_iovlen = 1;
    lines += p->lines;
    if (++next == l->count) next = 0;
  }
  return sendmmsg(socket, calls, count, 0);
}

static struct sent send_datagrams(const struct options *o, struct load *l, const struct sockaddr_in *to) {
  int out = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20, errors = 0;
  if (o->segments) join_segments(o, l, out);
  setsockopt(out, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  if (connect(out, (const void *)to, sizeof *to)) fail("connect");
  struct mmsghdr *calls = calloc(o->batch, sizeof *calls);
  struct iovec *parts = calloc(o->batch, sizeof *parts);
  struct sent s = {0};
  long at = 0;
  double began = now(), paced = began, next = began;
  while (s.lines < o->lines && (!o->seconds || now() < began + o->seconds)) {
    long quota = o->lines - s.lines;
    if (o->rate > 0) {
      double late = now() - paced - s.lines / o->rate;
      if (late <= 0 || now() < next) continue;
      next = now();
      if (late > o->late) { paced += late - o->late; late = o->late; }
      long due = (long)(late * o->rate);
      if (due <= 0) continue;
      if (due < quota) quota = due;
    }
    int done = send_some(o, l, out, &at, quota, calls, parts);
    if (done < 0 && (!passes(errno) || ++errors > 1000)) fail("sendmmsg");
    for (int i = 0; i < done; i++) {
      struct packet *p = &l->packets[at];
      if (o->late > LATE_MOST) next += p->lines / (2 * o->rate);
      s.lines += p->lines; s.packets += o->segments ? o->segments : 1;
      for (int k = 0; k < KINDS; k++) s.of[k] += p->of[k];
      if (++at == l->count) at = 0;
    }
  }
  s.seconds = now() - began;
  return s;
}

static void await_close(int socket) {
  char rest[4096];
  struct pollfd wait = {socket, POLLIN, 0};
  for (;;) {
    if (poll(&wait, 1, 60000) <= 0) { fprintf(stderr, "the server does not close\n"); exit(1); }
    if (read(socket, rest, sizeof rest) <= 0) return;
  }
}

// Each connection gets its share of whole lines.
static struct sent send_streams(const struct options *o, struct load *l, const struct sockaddr_in *to) {
  int count = o->connections, open = count;
  struct pollfd *outs = calloc(count, sizeof *outs);
  size_t *at = calloc(count, sizeof *at), *end = calloc(count, sizeof *end);
  for (int c = 0; c < count; c++) {
    outs[c] = (struct pollfd){socket(AF_INET, SOCK_STREAM, 0), POLLOUT, 0};
    if (connect(outs[c].fd, (const void *)to, sizeof *to)) fail("connect");
    fcntl(outs[c].fd, F_SETFL, O_NONBLOCK);
    long next = (long)((double)l->count * (c + 1) / count);
    at[c] = c ? end[c - 1] : 0;
    end[c] = next < l->count ? l->packets[next].offset : l->used;
  }
  struct sent s = {.lines = l->made, .packets = l->count, .of = {l->made}};
  int *sockets = malloc(count * sizeof *sockets);
  for (int c = 0; c < count; c++) sockets[c] = outs[c].fd;
  double began = now();
  while (open) {
    if (poll(outs, count, 1000) < 0) continue;
    for (int c = 0; c < count; c++) {
      if (outs[c].fd < 0 || !outs[c].revents) continue;
      size_t left = end[c] - at[c];
      ssize_t done = left ? write(outs[c].fd, l->bytes + at[c], left > WRITE_MOST ? WRITE_MOST : left) : 0;
      if (done < 0 && errno == EAGAIN) continue;
      if (done < 0) fail("write");
      at[c] += done;
      if (at[c] == end[c]) { shutdown(outs[c].fd, SHUT_WR); outs[c].fd = -1; open--; }
    }
  }
  for (int c = 0; o->wait && c < count; c++) await_close(sockets[c]);
  s.seconds = now() - began;
  return s;
}

int main(int count, char **words) {
  struct options o = read_options(count, words);
  if (o.tcp && !o.graphite) usage();
  struct load l = build(&o);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(o.port)};
  inet_pton(AF_INET, o.host, &to.sin_addr);
  struct sent s = o.tcp ? send_streams(&o, &l, &to) : send_datagrams(&o, &l, &to);
  printf("{\"lines\":%ld,\"packets\":%ld,\"seconds\":%.6f,\"counters\":%ld}\n", s.lines, s.packets, s.seconds,
         s.of[COUNTER]);
  return 0;
}
