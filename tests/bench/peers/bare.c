// The least that a server of datagrams can do: read them, 64 a call, and look at nothing.
//   bare PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BATCH = 64, ROOM = 2048 };

int main(int count, char **words) {
  static char bytes[BATCH][ROOM];
  struct iovec parts[BATCH];
  struct mmsghdr calls[BATCH] = {0};
  if (count != 2) { fprintf(stderr, "bare PORT\n"); return 2; }
  int in = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  if (bind(in, (void *)&at, sizeof at)) { perror("bind"); return 1; }
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){bytes[i], ROOM};
    calls[i].msg_hdr.msg_iov = &parts[i];
    calls[i].msg_hdr.msg_iovlen = 1;
  }
  while (recvmmsg(in, calls, BATCH, MSG_WAITFORONE, NULL) > 0) continue;
  return 1;
}
