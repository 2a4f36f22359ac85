// The floor: a relay without HTTP, timeouts or routing. One epoll, one buffer, one read and one write per message.
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t buffer[128 * 1024];
static const char *target;

struct side {
    struct waiter waiter;
    struct side *other;
    // What the other side would not take, and from where on.
    uint8_t *pending;
    uint32_t pending_bytes, pending_from;
    bool is_readable, is_writable, is_ending, has_ended, was_told;
};

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
    if (!pass(side) || !pass(side->other) || (side->was_told && side->other->was_told)) close_both(side);
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
        left->waiter = (struct waiter){.ready = side_ready, .fd = client};
        right->waiter = (struct waiter){.ready = side_ready, .fd = upstream};
        left->other = right;
        right->other = left;
        loop_add(&left->waiter, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
        loop_add(&right->waiter, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
}

int relay_main(int count, char **arguments) {
    if (count != 2) fail("usage: bench relay LISTEN TARGET");
    target = arguments[1];
    loop_open();
    struct waiter listener = {.ready = listener_ready, .fd = listen_at(arguments[0])};
    loop_add(&listener, EPOLLIN);
    while (true) loop_turn(-1);
}
