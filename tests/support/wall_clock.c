/* Stands before libc's clock: shifts the wall clock by the seconds that a file holds now, and no other clock. Loaded
   into lemctl with LD_PRELOAD by tests/faults/clock.rs, which writes the file. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
  long code = syscall(SYS_clock_gettime, clock, time);
  const char *path = getenv("LEM_TEST_WALL_CLOCK");
  if (code == 0 && clock == CLOCK_REALTIME && path != NULL) {
    FILE *file = fopen(path, "r");
    long shift = 0;
    if (file != NULL) {
      if (fscanf(file, "%ld", &shift) == 1) time->tv_sec += shift;
      fclose(file);
    }
  }
  return (int)code;
}
