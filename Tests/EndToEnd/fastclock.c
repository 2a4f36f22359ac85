/* Preloaded into the daemon, this lets its clocks run faster: a day passes in seconds, and each life in it is a real one.
 *
 * FAST_CLOCK names a file that says how fast (clock.py writes it). Only the daemon may have it: its backends
 * live by the real clock. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Times are nanoseconds. From `since` on (of the real monotonic clock) `speed` counts, until then the one before; at that
 * moment this clock is `ahead` of the real one. The time of day is behind by `behind`. */
struct pace {
    uint64_t turn; /* Odd during a write. */
    int64_t since, ahead, behind;
    double speed_before, speed;
};

static volatile const struct pace *shared;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAST_CLOCK");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *bytes = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct pace), PROT_READ, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED) abort();
    close(file);
    shared = bytes;
}

static int64_t real(clockid_t clock) {
    struct timespec time;
    syscall(SYS_clock_gettime, clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct pace read_pace(void) {
    for (;;) {
        uint64_t turn = __atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE);
        struct pace pace = {turn, shared->since, shared->ahead, shared->behind, shared->speed_before, shared->speed};
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (turn % 2 == 0 && shared->turn == turn) return pace;
    }
}

static int64_t fast(const struct pace *pace, clockid_t clock) {
    int64_t passed = real(CLOCK_MONOTONIC) - pace->since;
    double gained = passed * ((passed < 0 ? pace->speed_before : pace->speed) - 1);
    return real(clock) + pace->ahead + (int64_t)gained - (clock == CLOCK_REALTIME ? pace->behind : 0);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) return syscall(SYS_clock_gettime, clock, time);
    struct pace pace = read_pace();
    int64_t now = fast(&pace, clock);
    time->tv_sec = now / 1000000000;
    time->tv_nsec = now % 1000000000;
    return 0;
}

/* In short pieces, because the pace may change meanwhile. */
int epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask) {
    if (timeout == NULL) return syscall(SYS_epoll_pwait2, epoll, events, most, NULL, mask, 8);
    struct pace pace = read_pace();
    int64_t due = fast(&pace, CLOCK_MONOTONIC) + timeout->tv_sec * 1000000000LL + timeout->tv_nsec;
    for (;;) {
        pace = read_pace();
        int64_t left = (due - fast(&pace, CLOCK_MONOTONIC)) / (pace.speed < 1 ? 1 : pace.speed);
        struct timespec piece = {0, left < 0 ? 0 : left > 2000000 ? 2000000 : left};
        int count = syscall(SYS_epoll_pwait2, epoll, events, most, &piece, mask, 8);
        if (count != 0 || left <= 0) return count;
    }
}
