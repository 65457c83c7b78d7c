/* The limit: start N programs, K in flight, and nothing else.
 *
 *   spawn N K PROGRAM
 *
 * Exit code 0 when every one of them ended well, 1 when one could not be started or failed, 2 for bad words.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc != 4 || atol(argv[1]) < 1 || atol(argv[2]) < 1) {
    fprintf(stderr, "usage: %s N K PROGRAM\n", argv[0]);
    return 2;
  }
  long todo = atol(argv[1]), room = atol(argv[2]), failed = 0;
  char *child[] = {argv[3], NULL};
  for (long running = 0; todo || running;) {
    if (todo && running < room) {
      pid_t pid;
      int error = posix_spawn(&pid, child[0], NULL, NULL, child, environ);
      if (error) {
        fprintf(stderr, "%s: %s\n", child[0], strerror(error));
        return 1;
      }
      todo--, running++;
    } else {
      int status;
      if (wait(&status) < 0) {
        perror("wait");
        return 1;
      }
      failed += status != 0;
      running--;
    }
  }
  return failed ? 1 : 0;
}
