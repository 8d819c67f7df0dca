/* Thousands of viewers of Server-Sent Events in one process: gcc -O2 -o viewers viewers.c
   viewers HOST PORT PATHS IN_FLIGHT: opens one stream a line of the file PATHS, so many at a time, then follows them.
   It is told by lines on standard input and answers each with one line of JSON:
     open     connect all; answers when every stream has begun
     zero     forget what was counted
     report   events, viewers that got one, and how old events were on arrival: "t":<monotonic nanoseconds> in their text
     stop     end */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 20000
#define MOST_AGES 4000000
#define MOST_EVENTS 1024

struct viewer { int fd; int began; int snapshots; long events; };

static struct viewer viewers[MOST];
static char *paths[MOST];
static int number, next_one, opened, refused, ended, with_snapshot;
static double *ages_ms;
static long age_count, last_event_ns, first_event_ns;
static double connect_s, snapshot_s;
static long began_ns;
static int loop_fd;
static struct sockaddr_in address;
static char buffer[1 << 18];

static long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void begin(void) {
    struct viewer *v = &viewers[next_one];
    char request[512];
    int size, one = 1;
    v->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (v->fd < 0 || connect(v->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    size = snprintf(request, sizeof request,
                    "GET %s HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n", paths[next_one]);
    if (send(v->fd, request, size, 0) != size) perror("send");
    fcntl(v->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = next_one};
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, v->fd, &event);
    next_one++;
}

static void note(struct viewer *v, char *text, ssize_t size) {
    long at = now_ns();
    char *end = text + size, *found = text;
    if (!v->snapshots && memmem(text, size, "id=\"status\"", 11)) {
        v->snapshots = 1;
        if (++with_snapshot == number) snapshot_s = (at - began_ns) / 1e9;
    }
    while ((found = memmem(found, end - found, "\"t\":", 4))) {
        found += 4;
        if (age_count < MOST_AGES) ages_ms[age_count++] = (at - atol(found)) / 1e6;
        v->events++;
        if (!first_event_ns) first_event_ns = at;
        last_event_ns = at;
    }
}

static void hear(int which) {
    struct viewer *v = &viewers[which];
    for (;;) {
        ssize_t size = recv(v->fd, buffer, sizeof buffer - 1, 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            epoll_ctl(loop_fd, EPOLL_CTL_DEL, v->fd, NULL);
            close(v->fd);
            ended++;
            return;
        }
        buffer[size] = 0;
        if (!v->began) {
            v->began = 1;
            if (strncmp(buffer, "HTTP/1.1 200", 12)) refused++;
            if (++opened == number) connect_s = (now_ns() - began_ns) / 1e9;
            if (next_one < number) begin();
        }
        note(v, buffer, size);
        if (size < (ssize_t)sizeof buffer - 1) return;
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double part(double share) { return age_count ? ages_ms[(long)((age_count - 1) * share)] : 0; }

static void report(void) {
    int reached = 0;
    for (int i = 0; i < number; i++) reached += viewers[i].events > 0;
    qsort(ages_ms, age_count, sizeof *ages_ms, by_size);
    printf("{\"events\":%ld,\"reached\":%d,\"ended\":%d,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
           "\"span_s\":%.6f,\"snapshots\":%d,\"snapshot_s\":%.3f}\n",
           age_count, reached, ended, part(0.5), part(0.99), part(1), (last_event_ns - first_event_ns) / 1e9,
           with_snapshot, snapshot_s);
}

static void reset(void) {
    age_count = first_event_ns = last_event_ns = 0;
    for (int i = 0; i < number; i++) viewers[i].events = 0;
    printf("{}\n");
}

int main(int argc, char **argv) {
    struct epoll_event events[MOST_EVENTS], input = {.events = EPOLLIN, .data.u32 = MOST};
    char line[512];
    int is_opening = 0, in_flight;
    if (argc != 5) return 2;
    FILE *file = fopen(argv[3], "r");
    if (!file) return 2;
    while (number < MOST && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        paths[number++] = strdup(line);
    }
    in_flight = atoi(argv[4]);
    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    ages_ms = malloc(sizeof *ages_ms * MOST_AGES);
    loop_fd = epoll_create1(0);
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, 0, &input);
    setlinebuf(stdout);
    for (;;) {
        int count = epoll_wait(loop_fd, events, MOST_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 != MOST) {
                hear(events[i].data.u32);
                continue;
            }
            if (read(0, line, 1) <= 0) return 0; /* the first letter says it all */
            for (char letter = line[0]; letter != '\n'; letter = line[1])
                if (read(0, line + 1, 1) <= 0) return 0;
            if (line[0] == 'o') {
                is_opening = 1;
                began_ns = now_ns();
                while (next_one < number && next_one < in_flight) begin();
            } else if (line[0] == 'z')
                reset();
            else if (line[0] == 'r')
                report();
            else
                return 0;
        }
        if (is_opening && opened == number) {
            is_opening = 0;
            printf("{\"opened\":%d,\"refused\":%d,\"connect_s\":%.4f}\n", opened, refused, connect_s);
        }
    }
}
