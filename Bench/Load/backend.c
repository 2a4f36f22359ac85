// The backend's side: answers upgrades and requests, echoes frames, sinks and sends bulk.
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct backend backend;

struct backend_connection {
    struct waiter waiter;
    struct backend_connection *next, *previous;
    bool is_upgraded;
    // A head or frame that has not arrived whole.
    uint8_t *partial;
    size_t partial_bytes;
    // An echo that the socket would not take.
    uint8_t *pending;
    size_t pending_bytes;
    struct sink sink;
    struct source source;
};

static uint8_t shared[2 * SHARED_BYTES];
static uint8_t replies[2 * SHARED_BYTES];
static uint32_t numbers;

static void drop(struct backend_connection *connection) {
    if (connection->previous) connection->previous->next = connection->next;
    else backend.first = connection->next;
    if (connection->next) connection->next->previous = connection->previous;
    free(connection->partial);
    free(connection->pending);
    free(connection->source.bytes);
    backend.open--;
    loop_drop(&connection->waiter);
}

// False when the connection is gone.
static bool reply(struct backend_connection *connection, const uint8_t *bytes, size_t count) {
    if (count == 0) return true;
    size_t sent = 0;
    if (connection->pending_bytes == 0) {
        ssize_t taken = send(connection->waiter.fd, bytes, count, MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN) {
            drop(connection);
            return false;
        }
        sent = taken < 0 ? 0 : (size_t)taken;
    }
    if (sent == count) return true;
    connection->pending = realloc(connection->pending, connection->pending_bytes + count - sent);
    memcpy(connection->pending + connection->pending_bytes, bytes + sent, count - sent);
    connection->pending_bytes += count - sent;
    return true;
}

static bool flush(struct backend_connection *connection) {
    if (connection->pending_bytes == 0) return true;
    ssize_t sent = send(connection->waiter.fd, connection->pending, connection->pending_bytes, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    connection->pending_bytes -= (size_t)sent;
    memmove(connection->pending, connection->pending + sent, connection->pending_bytes);
    return true;
}

static void keep(struct backend_connection *connection, const uint8_t *bytes, size_t count) {
    free(connection->partial);
    connection->partial = NULL;
    connection->partial_bytes = count;
    if (count == 0) return;
    connection->partial = malloc(count);
    memcpy(connection->partial, bytes, count);
}

static void push(struct backend_connection *connection) {
    if (!connection->source.bytes) {
        connection->source.connection = connection->sink.knows_connection ? connection->sink.connection : ++numbers;
        loop_change(&connection->waiter, EPOLLIN | EPOLLOUT);
    }
    if (source_push(&connection->source, connection->waiter.fd, 4) < 0) drop(connection);
}

static const char page[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world.\n";

// Answers what is whole; returns how many bytes that were.
static size_t answer_heads(struct backend_connection *connection, uint8_t *bytes, size_t count, size_t *reply_bytes) {
    size_t used = 0;
    while (!connection->is_upgraded) {
        size_t end = head_end(bytes + used, count - used);
        if (end == 0) break;
        bytes[used + end - 1] = 0;
        connection->is_upgraded = strcasestr((char *)bytes + used, "\nupgrade:") != NULL;
        const char *answer = connection->is_upgraded ? upgrade_answer : page;
        memcpy(replies + *reply_bytes, answer, strlen(answer));
        *reply_bytes += strlen(answer);
        used += end;
        if (*reply_bytes > SHARED_BYTES) break;
    }
    return used;
}

static size_t echo_frames(uint8_t *bytes, size_t count, size_t *reply_bytes) {
    size_t used = 0;
    struct frame frame;
    while (frame_read(bytes + used, count - used, &frame)) {
        uint8_t *payload = bytes + used + frame.header_bytes;
        if (frame.payload_bytes > count - used - frame.header_bytes) break;
        if (frame.is_masked) mask(payload, frame.payload_bytes, frame.key);
        else note_error("the backend got a frame without a mask");
        *reply_bytes += frame_write(replies + *reply_bytes, frame.opcode, frame.payload_bytes, NULL);
        memcpy(replies + *reply_bytes, payload, frame.payload_bytes);
        *reply_bytes += frame.payload_bytes;
        used += frame.header_bytes + frame.payload_bytes;
    }
    return used;
}

// False when the connection is gone.
static bool take(struct backend_connection *connection, size_t count) {
    size_t reply_bytes = 0, used = 0;
    if (!connection->is_upgraded) used = answer_heads(connection, shared, count, &reply_bytes);
    bool sinks = backend.work == WORK_UP || backend.work == WORK_BOTH;
    if (connection->is_upgraded && sinks) {
        backend.bytes_received += count - used;
        if (!sink_take(&connection->sink, shared + used, count - used)) note_error("the backend got a wrong byte");
        used = count;
    } else if (connection->is_upgraded) {
        used += echo_frames(shared + used, count - used, &reply_bytes);
    }
    keep(connection, shared + used, count - used);
    return reply(connection, replies, reply_bytes);
}

static void connection_ready(struct waiter *waiter, uint32_t events) {
    struct backend_connection *connection = (struct backend_connection *)waiter;
    if (!flush(connection)) return drop(connection);
    if ((events & EPOLLOUT) && connection->source.bytes) {
        push(connection);
        if (connection->waiter.is_dead) return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    while (true) {
        size_t held = connection->partial_bytes;
        if (held) memcpy(shared, connection->partial, held);
        ssize_t count = recv(waiter->fd, shared + held, SHARED_BYTES, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) return drop(connection);
        if (!take(connection, held + (size_t)count)) return;
        if (count < SHARED_BYTES && !(events & EPOLLRDHUP)) return;
        if (connection->source.bytes) return;
    }
}

static void listener_ready(struct waiter *waiter, uint32_t events) {
    (void)events;
    while (true) {
        int fd = accept4(waiter->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        prepare_socket(fd);
        struct backend_connection *connection = calloc(1, sizeof *connection);
        connection->waiter = (struct waiter){.ready = connection_ready, .fd = fd};
        connection->next = backend.first;
        if (backend.first) backend.first->previous = connection;
        backend.first = connection;
        backend.open++;
        backend.opened++;
        loop_add(&connection->waiter, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
}

void backend_listen(int fd) {
    struct waiter *listener = calloc(1, sizeof *listener);
    *listener = (struct waiter){.ready = listener_ready, .fd = fd};
    loop_add(listener, EPOLLIN);
}

void backend_start_bulk(void) {
    for (struct backend_connection *connection = backend.first, *next; connection; connection = next) {
        next = connection->next;
        if (backend.work == WORK_DOWN || backend.work == WORK_BOTH) push(connection);
        else loop_change(&connection->waiter, EPOLLIN);
    }
}

void backend_stop_bulk(void) {
    while (backend.first) drop(backend.first);
}

void backend_ping(const char *text) {
    uint8_t frame[256];
    size_t header = frame_write(frame, 1, strlen(text), NULL);
    memcpy(frame + header, text, strlen(text));
    for (struct backend_connection *connection = backend.first, *next; connection; connection = next) {
        next = connection->next;
        if (connection->is_upgraded) reply(connection, frame, header + strlen(text));
    }
}

int echo_main(int count, char **arguments) {
    if (count != 1) fail("usage: bench echo ADDRESS");
    loop_open();
    backend_listen(listen_at(arguments[0]));
    while (true) loop_turn(-1);
}
