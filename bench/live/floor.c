/* The floor: what the kernel alone needs to send one event to a viewer. gcc -O2 -o floor floor.c
   floor PORT VIEWERS EVENTS: takes so many connections, begins a stream on each, and waits for a line on standard input;
   then sends so many events round and round, and prints processor microseconds an event and events a second as JSON. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 20000

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
static const char EVENT[] =
    "b4\r\nevent: place\ndata: {\"lat\":40.7123,\"lon\":-74.3456,\"heading\":48,\"at\":\"2026-11-22T12:00:00+00:00\","
    "\"stale\":false,\"at_other_stop\":false,\"line\":true,\"T\":123456789012345}\n\n\r\n";

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    static int viewers[MOST];
    char request[2048];
    int one = 1, count, full = 0;
    long events;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (argc != 4) return 2;
    address.sin_port = htons(atoi(argv[1]));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    count = atoi(argv[2]);
    events = atol(argv[3]);
    int door = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(door, (struct sockaddr *)&address, sizeof address) || listen(door, 4096)) return 1;
    for (int i = 0; i < count; i++) {
        viewers[i] = accept(door, NULL, NULL);
        if (viewers[i] < 0) return 1;
        if (recv(viewers[i], request, sizeof request, 0) <= 0) { /* somebody who only looked whether we listen */
            close(viewers[i--]);
            continue;
        }
        send(viewers[i], HEAD, sizeof HEAD - 1, 0);
    }
    if (!fgets(request, sizeof request, stdin)) return 0;
    double cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID), wall_s = seconds(CLOCK_MONOTONIC);
    for (long i = 0; i < events; i++)
        full += send(viewers[i % count], EVENT, sizeof EVENT - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
    cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    wall_s = seconds(CLOCK_MONOTONIC) - wall_s;
    printf("{\"cpu_us\":%.3f,\"events_s\":%.0f,\"full\":%d}\n", cpu_s * 1e6 / events, events / wall_s, full);
    return 0;
}
