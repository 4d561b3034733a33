// What comes on standard input goes to a TCP port: statsite hands each flush to such a program.
//   forward PORT
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count != 2) return 2;
  int out = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  if (connect(out, (void *)&to, sizeof to)) return 1;
  static char bytes[65536];
  for (ssize_t got; (got = read(0, bytes, sizeof bytes)) > 0;)
    for (ssize_t at = 0, done; at < got; at += done)
      if ((done = write(out, bytes + at, got - at)) <= 0) return 1;
  return 0;
}
