// The floor: a relay without HTTP, timeouts or routing. One epoll, one buffer, one read and one write per message.
//
// It can also be made to do one thing otherwise, to see what that thing is worth where nothing else is in the way.
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t buffer[128 * 1024];
static const char *target;

static enum choice { EDGES, LEVELS, QUICK_ACK, BUSY_POLL, ACCEPT_ONE, EXCLUSIVE, REUSE_PORT } choice = EDGES;
static const char *const choices[] = {
    "edges", "levels", "quick-ack", "busy-poll", "accept-one", "exclusive", "reuse-port"};
// For so long, in microseconds, a wait asks the device before it sleeps (socket(7), SO_BUSY_POLL).
enum { BUSY_POLL_US = 50 };

struct side {
    struct waiter waiter;
    struct side *other;
    // What the other side would not take, and from where on.
    uint8_t *pending;
    uint32_t pending_bytes, pending_from;
    bool is_readable, is_writable, is_ending, has_ended, was_told;
    uint32_t watched;
};

static const uint32_t edges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, levels = EPOLLIN | EPOLLRDHUP;

// With levels, who may not be read is not to be told of, and who is full is to say when it is not.
static void watch_what_matters(struct side *side) {
    uint32_t events = side->pending_bytes == 0 && !side->has_ended ? levels : 0;
    if (side->other->pending_bytes > 0) events |= EPOLLOUT;
    if (events != side->watched) loop_change(&side->waiter, events);
    side->watched = events;
}

static void close_both(struct side *side) {
    free(side->pending);
    free(side->other->pending);
    side->pending = side->other->pending = NULL;
    loop_drop(&side->other->waiter);
    loop_drop(&side->waiter);
}

// False when the pair is broken.
static bool flush(struct side *from) {
    if (from->pending_bytes == 0 || !from->other->is_writable) return true;
    ssize_t sent = send(from->other->waiter.fd, from->pending + from->pending_from, from->pending_bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) sent = 0;
    from->pending_bytes -= (uint32_t)sent;
    from->pending_from += (uint32_t)sent;
    if (from->pending_bytes > 0) {
        from->other->is_writable = false;
    } else {
        free(from->pending);
        from->pending = NULL;
    }
    return true;
}

static bool pass(struct side *from) {
    if (!flush(from)) return false;
    while (from->is_readable && from->pending_bytes == 0 && !from->has_ended) {
        ssize_t count = recv(from->waiter.fd, buffer, sizeof buffer, 0);
        if (count < 0 && errno != EAGAIN) return false;
        if (count < 0) from->is_readable = false;
        if (count == 0) from->has_ended = true;
        if (count <= 0) break;
        if (choice == QUICK_ACK) setsockopt(from->waiter.fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
        if ((size_t)count < sizeof buffer && !from->is_ending) from->is_readable = false;
        ssize_t sent = from->other->is_writable ? send(from->other->waiter.fd, buffer, (size_t)count, MSG_NOSIGNAL) : 0;
        if (sent < 0 && errno != EAGAIN) return false;
        if (sent < 0) sent = 0;
        if (sent == count) continue;
        from->other->is_writable = false;
        from->pending_bytes = (uint32_t)(count - sent);
        from->pending_from = 0;
        from->pending = malloc(from->pending_bytes);
        memcpy(from->pending, buffer + sent, from->pending_bytes);
    }
    if (from->has_ended && from->pending_bytes == 0 && !from->was_told) {
        shutdown(from->other->waiter.fd, SHUT_WR);
        from->was_told = true;
    }
    return true;
}

static void side_ready(struct waiter *waiter, uint32_t events) {
    struct side *side = (struct side *)waiter;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) side->is_readable = true;
    if (events & EPOLLOUT) side->is_writable = true;
    if (events & EPOLLRDHUP) side->is_ending = true;
    if (!pass(side) || !pass(side->other) || (side->was_told && side->other->was_told)) return close_both(side);
    if (choice != LEVELS) return;
    watch_what_matters(side);
    watch_what_matters(side->other);
}

static void add_side(struct side *side, int fd, struct side *other) {
    side->waiter = (struct waiter){.ready = side_ready, .fd = fd};
    side->other = other;
    side->is_writable = choice == LEVELS;
    side->watched = levels;
    if (choice == BUSY_POLL) setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &(int){BUSY_POLL_US}, sizeof(int));
    loop_add(&side->waiter, choice == LEVELS ? levels : edges);
}

static void listener_ready(struct waiter *waiter, uint32_t events) {
    (void)events;
    while (true) {
        int client = accept4(waiter->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) return;
        prepare_socket(client);
        int upstream = connect_to(target);
        if (upstream < 0) {
            close(client);
            continue;
        }
        struct side *left = calloc(1, sizeof *left), *right = calloc(1, sizeof *right);
        add_side(left, client, right);
        add_side(right, upstream, left);
        if (choice == ACCEPT_ONE) return;
    }
}

// A second process beside this one, which ends with it.
static void double_up(void) {
    if (fork() == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int relay_main(int count, char **arguments) {
    if (count != 2 && count != 3) fail("usage: bench relay LISTEN TARGET [CHOICE]");
    target = arguments[1];
    while (count == 3 && strcmp(choices[choice], arguments[2]) != 0)
        if (++choice == sizeof choices / sizeof *choices) fail("there is no choice \"%s\"", arguments[2]);
    if (choice == REUSE_PORT) double_up();
    int fd = choice == REUSE_PORT ? listen_beside_others_at(arguments[0]) : listen_at(arguments[0]);
    if (choice == EXCLUSIVE) double_up();
    loop_open();
    struct waiter listener = {.ready = listener_ready, .fd = fd};
    loop_add(&listener, choice == EXCLUSIVE ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN);
    while (true) loop_turn(-1);
}
