// A backend that speaks Action Cable, for the measurements of hibernation. It confirms each subscription and answers each
// action with what it has seen: how many clients have connected, how many were waiting for their 101 at once, and how long
// the last request head was.
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct upstream {
    struct waiter waiter;
    struct upstream *next;
    // When its upgrade is answered; 0 after that.
    uint64_t due;
    bool has_head;
};

static struct upstream *first;
static uint32_t connected, waiting, most_waiting, head_bytes;
static uint64_t delay, next_ping;
static uint8_t shared[SHARED_BYTES];

static const char welcome[] =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n"
    "Sec-WebSocket-Protocol: actioncable-v1-json\r\n\r\n";

static void say(struct upstream *one, const char *text) {
    uint8_t frame[4096];
    size_t size = strlen(text), head = frame_write(frame, 1, size, NULL);
    if (head + size > sizeof frame) fail("a long identifier");
    memcpy(frame + head, text, size);
    // The daemon reads at once; a full socket is a failed measurement.
    if (send(one->waiter.fd, frame, head + size, MSG_NOSIGNAL) != (ssize_t)(head + size)) shutdown(one->waiter.fd, SHUT_RDWR);
}

static void drop(struct upstream *one) {
    struct upstream **place = &first;
    while (*place != one) place = &(*place)->next;
    *place = one->next;
    if (one->due) waiting--;
    loop_drop(&one->waiter);
}

// SHA-1 of FIPS 180-4, for one handshake each: the daemon checks it.
static uint32_t rotated(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void digest(const char *text, uint8_t result[20]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t block[128] = {0};
    size_t size = strlen(text), blocks = (size + 8) / 64 + 1;
    memcpy(block, text, size);
    block[size] = 0x80;
    block[blocks * 64 - 2] = (uint8_t)(size * 8 >> 8);
    block[blocks * 64 - 1] = (uint8_t)(size * 8);
    for (size_t number = 0; number < blocks; number++) {
        uint32_t words[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
        for (int index = 0; index < 16; index++) {
            const uint8_t *bytes = block + number * 64 + index * 4;
            words[index] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
        }
        for (int index = 16; index < 80; index++)
            words[index] = rotated(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1);
        for (int index = 0; index < 80; index++) {
            uint32_t mixed = index < 20 ? ((b & c) | (~b & d)) + 0x5a827999 : index < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                : index < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc : (b ^ c ^ d) + 0xca62c1d6;
            uint32_t next = rotated(a, 5) + mixed + e + words[index];
            e = d;
            d = c;
            c = rotated(b, 30);
            b = a;
            a = next;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
    }
    for (int index = 0; index < 20; index++) result[index] = (uint8_t)(state[index / 4] >> (24 - index % 4 * 8));
}

static void accept_value(const char *key, char value[32]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[80];
    uint8_t hash[21] = {0};
    snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    digest(text, hash);
    for (int index = 0; index < 7; index++) {
        uint32_t bits = (uint32_t)hash[index * 3] << 16 | (uint32_t)hash[index * 3 + 1] << 8 | hash[index * 3 + 2];
        for (int digit = 0; digit < 4; digit++) value[index * 4 + digit] = digits[bits >> (18 - digit * 6) & 63];
    }
    value[27] = '=';
    value[28] = 0;
}

static void command(struct upstream *one, const char *text, size_t count) {
    char answer[2048];
    const char *identifier = memmem(text, count, "\"identifier\":\"", 14);
    if (!identifier) return;
    identifier += 13;
    const char *end = identifier + 1;
    while (*end != '"') end += *end == '\\' ? 2 : 1;
    int size = (int)(end + 1 - identifier);
    if (memmem(text, count, "\"command\":\"subscribe\"", 21))
        snprintf(answer, sizeof answer, "{\"identifier\":%.*s,\"type\":\"confirm_subscription\"}", size, identifier);
    else
        snprintf(answer, sizeof answer, "{\"identifier\":%.*s,\"message\":{\"connected\":%u,\"waiting\":%u,\"head\":%u}}", size,
                 identifier, connected, most_waiting, head_bytes);
    say(one, answer);
}

static void head(struct upstream *one, size_t count) {
    char key[32], response[512];
    shared[SHARED_BYTES - 1] = 0;
    char *field = strcasestr((char *)shared, "sec-websocket-key:");
    if (!field) return drop(one);
    sscanf(field + 18, " %31s", key);
    char value[32];
    accept_value(key, value);
    int size = snprintf(response, sizeof response, welcome, value);
    // The key is not kept: the response is sent now without its last byte, and ends when it is due.
    if (send(one->waiter.fd, response, (size_t)size - 1, MSG_NOSIGNAL) != size - 1) return drop(one);
    one->has_head = true;
    one->due = now_ns() + delay;
    connected++;
    head_bytes = (uint32_t)count;
    if (++waiting > most_waiting) most_waiting = waiting;
}

static void upstream_ready(struct waiter *waiter, uint32_t events) {
    (void)events;
    struct upstream *one = (struct upstream *)waiter;
    ssize_t count = recv(waiter->fd, shared, sizeof shared - 1, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return drop(one);
    shared[count] = 0;
    if (!one->has_head) return head(one, (size_t)count);
    size_t used = 0;
    struct frame read;
    while (frame_read(shared + used, (size_t)count - used, &read)) {
        uint8_t *payload = shared + used + read.header_bytes;
        if (read.payload_bytes > (size_t)count - used - read.header_bytes) fail("a frame in two pieces");
        mask(payload, read.payload_bytes, read.key);
        if (read.opcode == 8) {
            uint8_t close_frame[4] = {0x88, 2, 3, 0xe8};
            if (send(waiter->fd, close_frame, sizeof close_frame, MSG_NOSIGNAL) < 0) note_error("a close frame was lost");
            return drop(one);
        }
        if (read.opcode == 1) command(one, (char *)payload, read.payload_bytes);
        used += read.header_bytes + read.payload_bytes;
    }
}

static void listener_ready(struct waiter *waiter, uint32_t events) {
    (void)events;
    int fd = accept4(waiter->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    prepare_socket(fd);
    struct upstream *one = calloc(1, sizeof *one);
    *one = (struct upstream){.waiter = {.ready = upstream_ready, .fd = fd}, .next = first};
    first = one;
    loop_add(&one->waiter, EPOLLIN);
}

static void answer_due(uint64_t now) {
    for (struct upstream *one = first; one; one = one->next) {
        if (one->due == 0 || one->due > now) continue;
        one->due = 0;
        waiting--;
        if (send(one->waiter.fd, "\n", 1, MSG_NOSIGNAL) == 1) say(one, "{\"type\":\"welcome\"}");
    }
}

int cable_backend_main(int count, char **arguments) {
    if (count != 3) fail("usage: bench cable-backend ADDRESS BOOT_MS RESPONSE_MS");
    usleep((useconds_t)atoi(arguments[1]) * 1000);
    delay = (uint64_t)atoi(arguments[2]) * 1000000;
    loop_open();
    struct waiter listener = {.ready = listener_ready, .fd = listen_at(arguments[0])};
    loop_add(&listener, EPOLLIN);
    next_ping = now_ns() + 3000000000;
    while (true) {
        loop_turn(waiting ? 1 : 100);
        uint64_t now = now_ns();
        if (waiting) answer_due(now);
        if (now < next_ping) continue;
        next_ping = now + 3000000000;
        for (struct upstream *one = first; one; one = one->next)
            if (one->has_head && !one->due) say(one, "{\"type\":\"ping\",\"message\":1700000000}");
    }
}
