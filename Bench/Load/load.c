// The load: clients on one side of a proxy, the backend on the other, in one process and thread, so that the proxy has
// a core to itself and what its neighbours cost is the same for every program.
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_FLIGHT = 128 };

static struct {
    const char *connect, *listen, *work;
    uint32_t connections;
    size_t bytes;
    double seconds, warm_up;
    uint64_t messages;
    bool steps;
} options = {.connections = 1, .bytes = 64, .seconds = 1, .warm_up = 0.1, .work = "echo"};

struct client {
    struct waiter waiter;
    uint32_t number, sequence;
    bool is_open;
    uint8_t *partial;
    size_t partial_bytes;
    uint64_t sent_at;
    struct sink sink;
    struct source source;
};

static struct client **clients;
static uint32_t begun, open_count;
static uint64_t messages, bytes_received, cycles;
static bool is_counting, is_stopping, is_churn, is_bulk;
static uint64_t message_goal;
static uint8_t shared[2 * SHARED_BYTES];

// MARK: One client

static void open_client(uint32_t number);

static void close_client(struct client *client) {
    free(client->partial);
    free(client->source.bytes);
    clients[client->number] = NULL;
    if (client->is_open) open_count--;
    loop_drop(&client->waiter);
}

static void lose(struct client *client, const char *why) {
    note_error("connection %u: %s", client->number, why);
    close_client(client);
}

static void say(struct client *client) {
    uint8_t frame[MAX_HEADER + BULK_BYTES];
    uint32_t key = client->number * 2654435761u ^ (++client->sequence * 40503u) ^ 0x5bd1e995u;
    size_t header = frame_write(frame, 2, options.bytes, (uint8_t *)&key);
    payload_write(frame + header, options.bytes, client->number, client->sequence);
    mask(frame + header, options.bytes, (uint8_t *)&key);
    client->sent_at = now_ns();
    ssize_t sent = send(client->waiter.fd, frame, header + options.bytes, MSG_NOSIGNAL);
    if (sent != (ssize_t)(header + options.bytes)) lose(client, "a message was not taken whole");
}

// A whole echo has come. False when the client is gone or done.
static bool heard(struct client *client, const uint8_t *payload, const struct frame *frame) {
    if (frame->opcode == 1) {
        messages++;
        return true;
    }
    bool is_right = frame->opcode == 2 && !frame->is_masked && frame->payload_bytes == options.bytes &&
        payload_is(payload, options.bytes, client->number, client->sequence);
    if (!is_right) {
        lose(client, "a wrong message came back");
        return false;
    }
    if (is_counting) {
        messages++;
        latency_note(now_ns() - client->sent_at);
    }
    if (is_churn) {
        uint32_t number = client->number;
        close_client(client);
        if (is_counting) cycles++;
        if (!is_stopping) open_client(number);
        return false;
    }
    if (!is_stopping && (message_goal == 0 || messages < message_goal)) say(client);
    return !client->waiter.is_dead;
}

static bool take_frames(struct client *client, size_t count) {
    size_t used = 0;
    struct frame frame;
    while (frame_read(shared + used, count - used, &frame)) {
        size_t whole = frame.header_bytes + frame.payload_bytes;
        if (whole > count - used) break;
        if (!heard(client, shared + used + frame.header_bytes, &frame)) return false;
        used += whole;
    }
    free(client->partial);
    client->partial = NULL;
    client->partial_bytes = count - used;
    if (count > used) {
        client->partial = malloc(count - used);
        memcpy(client->partial, shared + used, count - used);
    }
    return true;
}

static bool take_answer(struct client *client, size_t *count) {
    size_t end = head_end(shared, *count);
    if (end == 0) return true;
    if (memcmp(shared + 9, "101", 3) != 0) {
        lose(client, "the upgrade was refused");
        return false;
    }
    memmove(shared, shared + end, *count - end);
    *count -= end;
    client->is_open = true;
    open_count++;
    if (is_churn && !is_stopping) say(client);
    return !client->waiter.is_dead;
}

static bool take(struct client *client, size_t count) {
    if (!client->is_open) {
        if (!take_answer(client, &count)) return false;
        if (!client->is_open) {
            client->partial = realloc(client->partial, count);
            memcpy(client->partial, shared, count);
            client->partial_bytes = count;
            return true;
        }
    }
    if (!is_bulk) return take_frames(client, count);
    client->partial_bytes = 0;
    if (is_counting) bytes_received += count;
    if (sink_take(&client->sink, shared, count)) return true;
    lose(client, "a wrong byte came");
    return false;
}

static void client_ready(struct waiter *waiter, uint32_t events) {
    struct client *client = (struct client *)waiter;
    if (!client->is_open && (events & EPOLLOUT) && client->sent_at == 0) {
        client->sent_at = now_ns();
        size_t size = strlen(upgrade_request);
        if (send(waiter->fd, upgrade_request, size, MSG_NOSIGNAL) != (ssize_t)size) return lose(client, "cannot ask");
    }
    if (client->source.bytes && (events & EPOLLOUT) && source_push(&client->source, waiter->fd, 4) < 0)
        return lose(client, "bulk was refused");
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    while (true) {
        size_t held = client->partial_bytes;
        if (held) memcpy(shared, client->partial, held);
        ssize_t count = recv(waiter->fd, shared + held, SHARED_BYTES, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) return lose(client, count == 0 ? "it was closed" : strerror(errno));
        if (!take(client, held + (size_t)count)) return;
        if (count < SHARED_BYTES || is_bulk) return;
    }
}

static void open_client(uint32_t number) {
    int fd = connect_to(options.connect);
    if (fd < 0) return note_error("connection %u was refused", number);
    struct client *client = calloc(1, sizeof *client);
    client->waiter = (struct waiter){.ready = client_ready, .fd = fd};
    client->number = number;
    clients[number] = client;
    loop_add(&client->waiter, EPOLLIN | EPOLLOUT | EPOLLET);
}

// MARK: The stretches of a measurement

static void run_for(double seconds) {
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    for (uint64_t now; (now = now_ns()) < end;) loop_turn((int)((end - now) / 1000000) + 1);
}

static void open_all(void) {
    uint64_t deadline = now_ns() + 30000000000ull;
    while (open_count < options.connections && errors == 0) {
        while (begun < options.connections && begun < open_count + IN_FLIGHT) open_client(begun++);
        loop_turn(100);
        if (now_ns() > deadline) fail("only %u of %u connections opened", open_count, options.connections);
    }
    if (errors) fail("not all connections opened");
}

static void step(const char *name) {
    if (!options.steps) return;
    printf("{\"step\":\"%s\"}\n", name);
    fflush(stdout);
    char line[16];
    if (!fgets(line, sizeof line, stdin)) exit(1);
}

static void echo_once_each(void) {
    is_counting = true;
    messages = 0;
    message_goal = 1;
    for (uint32_t index = 0; index < options.connections; index++) {
        say(clients[index]);
        if (index % IN_FLIGHT == 0) loop_turn(0);
    }
    uint64_t deadline = now_ns() + 30000000000ull;
    while (messages < options.connections && errors == 0 && now_ns() < deadline) loop_turn(100);
    if (messages < options.connections) note_error("only %llu echoes came", (unsigned long long)messages);
    message_goal = 0;
    is_counting = false;
    latency_clear();
}

static void begin_bulk(void) {
    is_bulk = true;
    for (uint32_t index = 0; index < options.connections; index++) {
        struct client *client = clients[index];
        bool sends = backend.work == WORK_UP || backend.work == WORK_BOTH;
        if (sends) {
            client->source.connection = client->number;
            client->source.is_masked = true;
            if (source_push(&client->source, client->waiter.fd, 1) < 0) fail("bulk was refused");
        }
        loop_change(&client->waiter, EPOLLIN | (sends ? EPOLLOUT : 0));
    }
    // The backend must have answered every client before it sends anything else.
    backend_start_bulk();
}

static void ping_for(double seconds) {
    double every = 3;
    for (double spent = 0; spent < seconds; spent += every) {
        backend_ping("{\"type\":\"ping\",\"message\":1700000000}");
        run_for(every);
    }
}

static void report(struct usage before, struct usage after) {
    double seconds = (double)(after.at - before.at) / 1e9;
    printf("{\"seconds\":%.6f,\"messages\":%llu,\"cycles\":%llu,\"bytes\":%llu,\"errors\":%llu,", seconds,
           (unsigned long long)messages, (unsigned long long)cycles,
           (unsigned long long)(bytes_received + backend.bytes_received), (unsigned long long)errors);
    printf("\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,", latency_at(0.5), latency_at(0.99), latency_at(0.999));
    printf("\"proxy_cpu\":%.6f,\"proxy_wait\":%.6f,", (double)(after.run - before.run) / 1e9,
           (double)(after.wait - before.wait) / 1e9);
    printf("\"load_cpu\":%.6f,\"load_wait\":%.6f,\"steal\":%.6f}\n", (double)(after.own_run - before.own_run) / 1e9,
           (double)(after.own_wait - before.own_wait) / 1e9, (double)(after.steal - before.steal) / 1e9);
    fflush(stdout);
}

static void work(void) {
    if (strcmp(options.work, "idle") == 0) {
        echo_once_each();
        step("idle");
        // Whatever was closed meanwhile shows itself now.
        run_for(0.05);
    } else if (strcmp(options.work, "ping") == 0) {
        ping_for(options.seconds);
    } else if (is_churn || backend.work != WORK_ECHO) {
        run_for(options.seconds);
    } else if (options.messages) {
        message_goal = options.messages;
        for (uint32_t index = 0; index < options.connections; index++) say(clients[index]);
        uint64_t deadline = now_ns() + 120000000000ull;
        while (messages < message_goal && errors == 0 && now_ns() < deadline) loop_turn(1000);
    } else {
        run_for(options.seconds);
    }
}

static void warm_up(void) {
    if (backend.work != WORK_ECHO) {
        begin_bulk();
        run_for(options.warm_up);
    } else if (options.messages || strcmp(options.work, "idle") == 0) {
        return;
    } else if (strcmp(options.work, "ping") == 0) {
        echo_once_each();
    } else {
        if (!is_churn)
            for (uint32_t index = 0; index < options.connections; index++) say(clients[index]);
        run_for(options.warm_up);
    }
}

static void end(void) {
    is_stopping = true;
    if (is_bulk) {
        // In the middle of a stream no close frame is sent.
        for (uint32_t index = 0; index < options.connections; index++)
            if (clients[index]) close_client(clients[index]);
        backend_stop_bulk();
        run_for(0.05);
        return;
    }
    run_for(0.03);
    for (uint32_t index = 0; index < options.connections; index++)
        if (clients[index]) close_client(clients[index]);
    uint64_t deadline = now_ns() + 10000000000ull;
    while (backend.open > 0 && now_ns() < deadline) loop_turn(20);
    if (backend.open > 0) note_error("%llu connections to the backend stayed", (unsigned long long)backend.open);
}

static void parse(int count, char **arguments) {
    static const struct option names[] = {
        {"connect", 1, 0, 'c'}, {"listen", 1, 0, 'l'}, {"work", 1, 0, 'w'}, {"connections", 1, 0, 'n'},
        {"bytes", 1, 0, 'b'}, {"seconds", 1, 0, 's'}, {"warm-up", 1, 0, 'u'}, {"messages", 1, 0, 'm'},
        {"pid", 1, 0, 'p'}, {"steps", 0, 0, 't'}, {0, 0, 0, 0}};
    optind = 0;
    for (int key; (key = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        switch (key) {
        case 'c': options.connect = optarg; break;
        case 'l': options.listen = optarg; break;
        case 'w': options.work = optarg; break;
        case 'n': options.connections = (uint32_t)atoi(optarg); break;
        case 'b': options.bytes = (size_t)atoi(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'u': options.warm_up = atof(optarg); break;
        case 'm': options.messages = (uint64_t)atoll(optarg); break;
        case 'p': usage_watch(atoi(optarg)); break;
        case 't': options.steps = true; break;
        default: exit(2);
        }
    }
    if (!options.connect || !options.listen) fail("load needs --connect and --listen");
    if (options.bytes < STAMP_BYTES || options.bytes > BULK_BYTES) fail("--bytes is 16 to 65536");
    static const struct { const char *name; enum work work; } works[] = {
        {"echo", WORK_ECHO}, {"churn", WORK_ECHO}, {"idle", WORK_ECHO}, {"ping", WORK_ECHO},
        {"down", WORK_DOWN}, {"up", WORK_UP}, {"both", WORK_BOTH}};
    size_t index = 0;
    while (index < 7 && strcmp(works[index].name, options.work) != 0) index++;
    if (index == 7) fail("--work is echo, churn, idle, ping, down, up or both");
    backend.work = works[index].work;
    is_churn = strcmp(options.work, "churn") == 0;
}

int load_main(int count, char **arguments) {
    parse(count, arguments);
    clients = calloc(options.connections, sizeof *clients);
    loop_open();
    backend_listen(listen_at(options.listen));
    step("ready");
    if (is_churn) {
        for (; begun < options.connections; begun++) open_client(begun);
    } else {
        open_all();
    }
    step("open");
    warm_up();
    messages = bytes_received = backend.bytes_received = cycles = 0;
    is_counting = true;
    struct usage before = usage();
    work();
    struct usage after = usage();
    is_counting = false;
    step("done");
    end();
    report(before, after);
    return errors ? 1 : 0;
}
