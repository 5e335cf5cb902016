/* Server with canned replies that uses as little CPU as possible: one thread, one epoll.
 *
 *     server DIRECTORY SOCKET [--chunks N] [--pace MICROSECONDS] [--streams N]
 *
 * It speaks gRPC (HTTP/2 in plaintext) on a TCP port of loopback and on the Unix socket SOCKET, and REST (HTTP/1.1) on a
 * second port. It prints both ports, and ends at the end of its standard input. DIRECTORY holds the replies, METHOD.binpb for
 * gRPC and METHOD.json for REST; a reply whose name begins with "Stream" is sent --chunks times. Requests are read and
 * discarded. Twenty zeros in a reply are replaced by CLOCK_MONOTONIC in nanoseconds when it is sent with --pace.
 */

#include "server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct settings settings = {.chunks = 1000, .streams = UINT32_MAX};

static struct reply replies[64];
static size_t reply_count;
static int poller;
static TAILQ_HEAD(, answer) waiting = TAILQ_HEAD_INITIALIZER(waiting);

void *allocate(size_t size)
{
	void *found = calloc(1, size);
	if (!found)
		err(1, "calloc");
	return found;
}

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Replies and answers */

static void load_reply(const char *directory, const char *file)
{
	const char *dot = strrchr(file, '.');
	if (!dot || (strcmp(dot, ".binpb") && strcmp(dot, ".json")))
		return;
	if (reply_count == sizeof replies / sizeof *replies || (size_t)(dot - file) >= sizeof replies->name)
		errx(1, "too many replies, or too long a name: %s", file);
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, file);
	FILE *input = fopen(path, "rb");
	struct stat status;
	if (!input || fstat(fileno(input), &status))
		err(1, "%s", path);
	struct reply *reply = &replies[reply_count++];
	memcpy(reply->name, file, (size_t)(dot - file));
	reply->json = !strcmp(dot, ".json");
	/* Stored with the framing of the wire: gRPC's length prefix, or that of a server-sent event. */
	size_t size = (size_t)status.st_size;
	bool event = reply->json && !strncmp(reply->name, "Stream", 6);
	size_t before = event ? 6 : reply->json ? 0 : PREFIX;
	reply->bytes = allocate(before + size + 4);
	if (fread(reply->bytes + before, 1, size, input) != size)
		err(1, "%s", path);
	fclose(input);
	reply->size = before + size + (event ? 4 : 0);
	if (event) {
		memcpy(reply->bytes, "data: ", 6);
		memcpy(reply->bytes + before + size, "\r\n\r\n", 4);
	} else if (!reply->json) {
		uint32_t length = htonl((uint32_t)size);
		memcpy(reply->bytes + 1, &length, sizeof length);
	}
	reply->timestamp = memmem(reply->bytes, reply->size, "00000000000000000000", DIGITS);
}

const struct reply *find_reply(const char *name, size_t length, bool json)
{
	for (size_t i = 0; i < reply_count; i++)
		if (replies[i].json == json && strlen(replies[i].name) == length &&
		    !strncasecmp(replies[i].name, name, length))
			return &replies[i];
	return NULL;
}

struct answer *add_answer(struct connection *connection, const struct reply *reply, int32_t stream)
{
	struct answer *answer = allocate(sizeof *answer);
	bool streams = !strncmp(reply->name, "Stream", 6);
	answer->connection = connection;
	answer->reply = reply;
	answer->stream = stream;
	answer->left = streams ? settings.chunks : 1;
	answer->due = settings.pace && !streams ? now() + settings.pace : 0;
	TAILQ_INSERT_TAIL(&connection->answers, answer, siblings);
	return answer;
}

void drop_answer(struct answer *answer)
{
	if (answer->queued)
		TAILQ_REMOVE(&waiting, answer, waiting);
	TAILQ_REMOVE(&answer->connection->answers, answer, siblings);
	free(answer);
}

bool is_due(struct answer *answer)
{
	if (answer->queued)
		return false;
	if (answer->due && answer->due > now()) {
		answer->queued = true;
		/* All wait for the same time, so the queue is ordered by due time. */
		TAILQ_INSERT_TAIL(&waiting, answer, waiting);
		return false;
	}
	if (!answer->offset && settings.pace && answer->reply->timestamp) {
		char digits[DIGITS + 1];
		snprintf(digits, sizeof digits, "%020llu", (unsigned long long)now());
		memcpy(answer->reply->timestamp, digits, DIGITS);
	}
	return true;
}

bool next_message(struct answer *answer)
{
	answer->offset = 0;
	answer->left--;
	answer->due = settings.pace ? now() + settings.pace : 0;
	return answer->left > 0;
}

/* Connections */

void put(struct connection *connection, const void *bytes, size_t size)
{
	if (connection->begin == connection->end)
		connection->begin = connection->end = 0;
	if (connection->end + size > connection->capacity) {
		connection->capacity = (connection->end + size) * 2;
		connection->out = realloc(connection->out, connection->capacity);
		if (!connection->out)
			err(1, "realloc");
	}
	memcpy(connection->out + connection->end, bytes, size);
	connection->end += size;
}

static void close_connection(struct connection *connection)
{
	connection->protocol->close(connection);
	while (!TAILQ_EMPTY(&connection->answers))
		drop_answer(TAILQ_FIRST(&connection->answers));
	close(connection->fd);
	free(connection->out);
	free(connection);
}

static void watch(struct connection *connection, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | (connection->blocked ? EPOLLOUT : 0), .data.ptr = connection};
	if (epoll_ctl(poller, operation, connection->fd, &event))
		err(1, "epoll_ctl");
}

/* Sends pending output; returns false if the connection is to be closed. */
static bool flush(struct connection *connection)
{
	bool blocked = false;
	for (;;) {
		if (connection->begin == connection->end && !connection->protocol->output(connection))
			return false;
		if (connection->begin == connection->end)
			break;
		ssize_t sent = send(connection->fd, connection->out + connection->begin,
				    connection->end - connection->begin, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent < 0) {
			blocked = true;
			break;
		}
		connection->begin += (size_t)sent;
	}
	if (blocked != connection->blocked) {
		connection->blocked = blocked;
		watch(connection, EPOLL_CTL_MOD);
	}
	return true;
}

static bool receive(struct connection *connection)
{
	static uint8_t buffer[1024 * 1024];
	ssize_t count = recv(connection->fd, buffer, sizeof buffer, 0);
	if (count < 0)
		return errno == EAGAIN;
	return count > 0 && connection->protocol->input(connection, buffer, (size_t)count);
}

static void accept_connection(int listener, const struct protocol *protocol)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	int yes = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* fails on a Unix socket, which is fine */
	struct connection *connection = allocate(sizeof *connection);
	connection->fd = fd;
	connection->protocol = protocol;
	TAILQ_INIT(&connection->answers);
	protocol->open(connection);
	watch(connection, EPOLL_CTL_ADD);
	if (!flush(connection))
		close_connection(connection);
}

static void resume_due(void)
{
	struct answer *answer;
	while ((answer = TAILQ_FIRST(&waiting)) && answer->due <= now()) {
		struct connection *connection = answer->connection;
		TAILQ_REMOVE(&waiting, answer, waiting);
		answer->queued = false;
		connection->protocol->resume(answer);
		if (!flush(connection))
			close_connection(connection);
	}
}

/* Setup and event loop */

static int listen_on(const struct sockaddr *address, socklen_t size)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, address, size) || listen(fd, 1024))
		err(1, "cannot listen");
	return fd;
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return listen_on((struct sockaddr *)&address, sizeof address);
}

static int listen_on_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		errx(1, "too long for a Unix socket: %s", path);
	strcpy(address.sun_path, path);
	unlink(path);
	return listen_on((struct sockaddr *)&address, sizeof address);
}

static unsigned port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;
	getsockname(fd, (struct sockaddr *)&address, &size);
	return ntohs(address.sin_port);
}

static void read_arguments(int argc, char **argv)
{
	for (int i = 3; i + 1 < argc; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 10);
		if (!strcmp(argv[i], "--chunks"))
			settings.chunks = value;
		else if (!strcmp(argv[i], "--pace"))
			settings.pace = value * 1000;
		else if (!strcmp(argv[i], "--streams"))
			settings.streams = (uint32_t)value;
		else
			errx(2, "unknown option %s", argv[i]);
	}
}

static void serve(int *listeners, size_t count)
{
	for (;;) {
		struct answer *first = TAILQ_FIRST(&waiting);
		uint64_t time = first ? now() : 0;
		uint64_t wait = first && first->due > time ? first->due - time : 0;
		struct timespec timeout = {(time_t)(wait / 1000000000), (long)(wait % 1000000000)};
		struct epoll_event events[256];
		int ready = epoll_pwait2(poller, events, 256, first ? &timeout : NULL, NULL);
		for (int i = 0; i < ready; i++) {
			void *source = events[i].data.ptr;
			if (!source)
				return;
			int *listener = source;
			if (listener >= listeners && listener < listeners + count) {
				accept_connection(*listener, listener == listeners + count - 1 ? &http1 : &h2);
				continue;
			}
			struct connection *connection = source;
			bool input = events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR);
			if ((input && !receive(connection)) || !flush(connection))
				close_connection(connection);
		}
		resume_due();
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: server DIRECTORY SOCKET [--chunks N] [--pace MICROSECONDS] [--streams N]");
	read_arguments(argc, argv);
	DIR *directory = opendir(argv[1]);
	if (!directory)
		err(1, "%s", argv[1]);
	for (struct dirent *entry; (entry = readdir(directory));)
		load_reply(argv[1], entry->d_name);
	closedir(directory);
	signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(EPOLL_CLOEXEC);
	int listeners[] = {listen_on_loopback(), listen_on_path(argv[2]), listen_on_loopback()};
	for (size_t i = 0; i < 3; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listeners[i]};
		if (epoll_ctl(poller, EPOLL_CTL_ADD, listeners[i], &event))
			err(1, "epoll_ctl");
	}
	struct epoll_event end = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &end))
		err(1, "the standard input must be a pipe");
	printf("%u %u\n", port_of(listeners[0]), port_of(listeners[2]));
	fflush(stdout);
	serve(listeners, 3);
	unlink(argv[2]);
	return 0;
}
