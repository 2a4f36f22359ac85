// The floor of a cable: a hub without checks or settings. One epoll, one finished frame for all subscribers of a stream,
// one send for each. It speaks as much Action Cable as the load does, and answers a publisher before it sends.
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STREAMS = 16384,
    // Unsent bytes at which a subscriber is disconnected.
    MOST_UNSENT = 1024 * 1024,
    TICKS_PER_SECOND = 8,
    PING_SECONDS = 3
};

// What few connections have: an unfinished request, unsent bytes.
struct excess {
    uint8_t *unread, *unsent;
    uint32_t unread_bytes, unsent_bytes;
};

struct subscriber {
    struct waiter waiter;
    struct excess *excess;
    // Places in the stream's array and in the array of all; no stream is -1.
    int32_t stream;
    uint32_t place, number;
};

struct stream {
    struct subscriber **members;
    uint32_t count, room;
    // `{"identifier":...,"message":`, as the first subscriber wrote its identifier.
    char *begin;
    uint32_t begin_bytes;
};

static struct stream streams[STREAMS];
static struct subscriber **all;
static uint32_t all_count, all_room;
static uint8_t shared[4 * SHARED_BYTES], frame[2 * SHARED_BYTES];
static uint64_t next_tick;
static uint32_t tick;

static const char welcome[] =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: actioncable-v1-json\r\n\r\n"
    "\x81\x12{\"type\":\"welcome\"}";
static const char accepted[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

static void add(struct subscriber ***list, uint32_t *count, uint32_t *room, struct subscriber *one) {
    if (*count == *room) {
        *room = *room ? 2 * *room : 16;
        *list = realloc(*list, *room * sizeof **list);
    }
    (*list)[(*count)++] = one;
}

static void drop(struct subscriber *one) {
    if (one->stream >= 0) {
        // Its place is taken by the last one.
        struct stream *stream = &streams[one->stream];
        struct subscriber *last = stream->members[--stream->count];
        stream->members[last->place = one->place] = last;
    }
    struct subscriber *last = all[--all_count];
    all[last->number = one->number] = last;
    if (one->excess) {
        free(one->excess->unread);
        free(one->excess->unsent);
        free(one->excess);
    }
    loop_drop(&one->waiter);
}

static struct excess *excess(struct subscriber *one) {
    if (!one->excess) one->excess = calloc(1, sizeof *one->excess);
    return one->excess;
}

// Keeps what the socket does not take. False when the subscriber is lost: then it is still in the lists.
static bool put(struct subscriber *one, const void *bytes, size_t count) {
    size_t sent = 0;
    if (!one->excess || one->excess->unsent_bytes == 0) {
        ssize_t taken = send(one->waiter.fd, bytes, count, MSG_NOSIGNAL);
        if (taken == (ssize_t)count) return true;
        if (taken < 0 && errno != EAGAIN) return false;
        sent = taken < 0 ? 0 : (size_t)taken;
        loop_change(&one->waiter, EPOLLIN | EPOLLOUT);
    }
    struct excess *kept = excess(one);
    if (kept->unsent_bytes + count - sent > MOST_UNSENT) return false;
    kept->unsent = realloc(kept->unsent, kept->unsent_bytes + count - sent);
    memcpy(kept->unsent + kept->unsent_bytes, (const uint8_t *)bytes + sent, count - sent);
    kept->unsent_bytes += (uint32_t)(count - sent);
    return true;
}

static bool flush(struct subscriber *one) {
    struct excess *kept = one->excess;
    if (!kept || kept->unsent_bytes == 0) return true;
    ssize_t sent = send(one->waiter.fd, kept->unsent, kept->unsent_bytes, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    kept->unsent_bytes -= (uint32_t)sent;
    memmove(kept->unsent, kept->unsent + sent, kept->unsent_bytes);
    if (kept->unsent_bytes == 0) loop_change(&one->waiter, EPOLLIN);
    return true;
}

static void deliver(const char *name, const char *data, size_t count) {
    struct stream *stream = &streams[atoi(name + 1) % STREAMS];
    size_t payload = stream->begin_bytes + count + 1, head = frame_write(frame, 1, payload, NULL);
    memcpy(frame + head, stream->begin, stream->begin_bytes);
    memcpy(frame + head + stream->begin_bytes, data, count);
    frame[head + payload - 1] = '}';
    for (uint32_t index = 0; index < stream->count;)
        if (put(stream->members[index], frame, head + payload)) index++;
        else drop(stream->members[index]);
}

// `{"stream":"s1","data":"..."}`, or an array of them; a string without escapes.
static void publish(const char *body, const char *end) {
    static const char before[] = "\"stream\":\"", between[] = "\"data\":";
    while ((body = memmem(body, (size_t)(end - body), before, sizeof before - 1))) {
        const char *name = body + sizeof before - 1;
        const char *data = (char *)memmem(name, (size_t)(end - name), between, sizeof between - 1) + sizeof between - 1;
        const char *quote = memchr(data + 1, '"', (size_t)(end - data - 1));
        deliver(name, data, (size_t)(quote + 1 - data));
        body = quote + 1;
    }
}

// Returns how many bytes of it were whole requests; negative when the connection is gone.
static ssize_t requests(struct subscriber *one, char *bytes, size_t count) {
    size_t used = 0, answered;
    // Every answer first.
    size_t ends[256], begins[256];
    for (answered = 0; answered < 256; answered++) {
        size_t head = head_end((uint8_t *)bytes + used, count - used);
        if (head == 0) break;
        if (bytes[used] == 'G') {
            if (!put(one, welcome, sizeof welcome - 1)) return -1;
            one->stream = -2;
            used += head;
            break;
        }
        char *length = memmem(bytes + used, head, "Content-Length: ", 16);
        if (!length) fail("a request without a length");
        size_t whole = head + (size_t)atoll(length + 16);
        if (whole > count - used) break;
        begins[answered] = used + head;
        ends[answered] = used += whole;
        if (!put(one, accepted, sizeof accepted - 1)) return -1;
    }
    for (size_t index = 0; index < answered; index++) publish(bytes + begins[index], bytes + ends[index]);
    return (ssize_t)used;
}

static void subscribe(struct subscriber *one, const char *identifier, size_t count) {
    // `...\"stream_name\":\"s1\"...`: the number is the stream's.
    const char *name = memmem(identifier, count, "\\\"s", 3);
    while (name && memmem(name + 3, count - (size_t)(name + 3 - identifier), "\\\"s", 3))
        name = memmem(name + 3, count - (size_t)(name + 3 - identifier), "\\\"s", 3);
    if (!name) fail("a subscription without a stream");
    one->stream = atoi(name + 3) % STREAMS;
    struct stream *stream = &streams[one->stream];
    one->place = stream->count;
    add(&stream->members, &stream->count, &stream->room, one);
    if (!stream->begin) {
        stream->begin = malloc(count + 32);
        stream->begin_bytes = (uint32_t)sprintf(stream->begin, "{\"identifier\":%.*s,\"message\":", (int)count, identifier);
    }
    char confirmation[512];
    int size = snprintf(confirmation, sizeof confirmation,
                        "{\"identifier\":%.*s,\"type\":\"confirm_subscription\"}", (int)count, identifier);
    size_t head = frame_write(frame, 1, (size_t)size, NULL);
    memcpy(frame + head, confirmation, (size_t)size);
    put(one, frame, head + (size_t)size);
}

static ssize_t commands(struct subscriber *one, uint8_t *bytes, size_t count) {
    size_t used = 0;
    struct frame read;
    while (frame_read(bytes + used, count - used, &read) && read.header_bytes + read.payload_bytes <= count - used) {
        char *text = (char *)bytes + used + read.header_bytes;
        mask((uint8_t *)text, read.payload_bytes, read.key);
        char *identifier = memmem(text, read.payload_bytes, "\"identifier\":", 13);
        if (read.opcode == 1 && identifier && one->stream < 0)
            subscribe(one, identifier + 13, (size_t)(text + read.payload_bytes - 1 - identifier - 13));
        used += read.header_bytes + read.payload_bytes;
    }
    return (ssize_t)used;
}

static void subscriber_ready(struct waiter *waiter, uint32_t events) {
    struct subscriber *one = (struct subscriber *)waiter;
    if ((events & EPOLLOUT) && !flush(one)) return drop(one);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    size_t held = one->excess ? one->excess->unread_bytes : 0;
    if (held) memcpy(shared, one->excess->unread, held);
    ssize_t count = recv(waiter->fd, shared + held, SHARED_BYTES, 0);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN) drop(one);
        return;
    }
    size_t whole = held + (size_t)count;
    ssize_t used = one->stream == -1 ? requests(one, (char *)shared, whole) : commands(one, shared, whole);
    if (used < 0) return drop(one);
    size_t left = whole - (size_t)used;
    if (left == 0 && held == 0) return;
    struct excess *kept = excess(one);
    kept->unread = realloc(kept->unread, left + 1);
    memcpy(kept->unread, shared + used, left);
    kept->unread_bytes = (uint32_t)left;
}

static void listener_ready(struct waiter *waiter, uint32_t events) {
    (void)events;
    int fd = accept4(waiter->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    prepare_socket(fd);
    struct subscriber *one = calloc(1, sizeof *one);
    one->waiter = (struct waiter){.ready = subscriber_ready, .fd = fd};
    one->stream = -1;
    one->number = all_count;
    add(&all, &all_count, &all_room, one);
    loop_add(&one->waiter, EPOLLIN);
}

// Pings the subscribers of this tick; returns the milliseconds until the next one, -1 without subscribers.
static int ping(void) {
    enum { TICKS = TICKS_PER_SECOND * PING_SECONDS };
    static const char text[] = "{\"type\":\"ping\",\"message\":1700000000}";
    static const uint64_t every = 1000000000 / TICKS_PER_SECOND;
    if (all_count == 0) return -1;
    uint64_t now = now_ns();
    if (next_tick == 0 || now > next_tick + every * TICKS) next_tick = now + every;
    while (now >= next_tick) {
        size_t head = frame_write(frame, 1, sizeof text - 1, NULL);
        memcpy(frame + head, text, sizeof text - 1);
        for (uint32_t index = tick++ % TICKS; index < all_count; index += TICKS)
            if (all[index]->stream != -1 && !put(all[index], frame, head + sizeof text - 1)) drop(all[index]);
        next_tick += every;
    }
    return (int)((next_tick - now + 999999) / 1000000);
}

int hub_main(int count, char **arguments) {
    if (count != 1 && count != 2) fail("usage: bench hub ADDRESS [quiet]");
    loop_open();
    struct waiter listener = {.ready = listener_ready, .fd = listen_at(arguments[0])};
    loop_add(&listener, EPOLLIN);
    while (true) loop_turn(count == 2 ? -1 : ping());
}
