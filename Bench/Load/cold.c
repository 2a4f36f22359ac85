// Cold starts: a backend that takes its time to boot and tells when it was ready, and a client that counts the wait.
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

// In a file that both map: written by the backend, read by the client.
struct stamp {
    _Atomic int pid;
    // When main began, and when the first accept would have succeeded.
    _Atomic uint64_t began, ready;
};

static struct stamp *open_stamp(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct stamp)) != 0) fail("%s: %s", path, strerror(errno));
    struct stamp *stamp = mmap(NULL, sizeof *stamp, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (stamp == MAP_FAILED) fail("mmap: %s", strerror(errno));
    return stamp;
}

static void sleep_ns(uint64_t nanoseconds) {
    struct timespec time = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    while (nanosleep(&time, &time) != 0) {}
}

// ADDRESS may be "inherited": then the socket is descriptor 3 (sd_listen_fds(3)), listening before anything began.
int boot_main(int count, char **arguments) {
    uint64_t began = now_ns();
    if (count != 3) fail("usage: bench boot ADDRESS MILLISECONDS STAMP");
    struct stamp *stamp = open_stamp(arguments[2]);
    sleep_ns((uint64_t)(atof(arguments[1]) * 1e6));
    loop_open();
    int fd = strcmp(arguments[0], "inherited") == 0 ? 3 : listen_at(arguments[0]);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    backend_listen(fd);
    stamp->began = began;
    stamp->ready = now_ns();
    stamp->pid = getpid();
    while (true) loop_turn(-1);
}

// From the upgrade's last byte until the answer's head is whole.
static uint64_t upgrade_once(const char *target, uint64_t *sent_at) {
    int fd = connect_to(target);
    if (fd < 0) fail("%s refused: %s", target, strerror(errno));
    struct pollfd writable = {.fd = fd, .events = POLLOUT}, readable = {.fd = fd, .events = POLLIN};
    poll(&writable, 1, 1000);
    *sent_at = now_ns();
    if (send(fd, upgrade_request, strlen(upgrade_request), MSG_NOSIGNAL) < 0) fail("send: %s", strerror(errno));
    uint8_t answer[4096];
    size_t held = 0;
    while (head_end(answer, held) == 0) {
        if (poll(&readable, 1, 30000) != 1) fail("no answer within 30 s");
        ssize_t received = recv(fd, answer + held, sizeof answer - held, 0);
        if (received <= 0) fail("the connection ended before an answer came");
        held += (size_t)received;
    }
    uint64_t answered = now_ns();
    if (held < 12 || memcmp(answer + 9, "101", 3) != 0) fail("answered %.12s", (char *)answer);
    close(fd);
    return answered - *sent_at;
}

static void await_end(int pid) {
    for (int attempt = 0; kill(pid, 0) == 0; attempt++) {
        if (attempt > 5000) fail("process %d does not end", pid);
        sleep_ns(1000000);
    }
}

// The backend alone, started as a launcher would: what every launcher's time is compared with.
static void measure_alone(int samples, char **command, struct stamp *stamp) {
    for (int sample = 0; sample < samples; sample++) {
        stamp->pid = 0;
        pid_t child;
        uint64_t started = now_ns();
        if (posix_spawn(&child, command[0], NULL, NULL, command, environ) != 0) fail("cannot start %s", command[0]);
        while (stamp->pid == 0) sleep_ns(200000);
        printf("%llu %llu\n", (unsigned long long)(stamp->ready - started), 0ULL);
        kill(child, SIGTERM);
        waitpid(child, NULL, 0);
    }
}

int cold_main(int count, char **arguments) {
    if (count < 4) fail("usage: bench cold SAMPLES STAMP client TARGET | bench cold SAMPLES STAMP alone COMMAND...");
    int samples = atoi(arguments[0]);
    struct stamp *stamp = open_stamp(arguments[1]);
    if (strcmp(arguments[2], "alone") == 0) {
        measure_alone(samples, arguments + 3, stamp);
        return 0;
    }
    for (int sample = 0; sample < samples; sample++) {
        stamp->pid = 0;
        uint64_t sent_at;
        uint64_t waited = upgrade_once(arguments[3], &sent_at);
        // The second figure is what was left to do once the backend was ready.
        printf("%llu %llu\n", (unsigned long long)waited, (unsigned long long)(sent_at + waited - stamp->ready));
        fflush(stdout);
        await_end(stamp->pid);
        sleep_ns(20000000);
    }
    return 0;
}
