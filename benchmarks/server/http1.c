/* REST over HTTP/1.1: sequential requests with a Content-Length; replies are whole, or server-sent events. */

#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
	char header[64 * 1024];
	size_t filled;
	size_t body;           /* bytes of the request's body to receive */
	const struct reply *reply;
};

static void open(struct connection *connection)
{
	connection->state = allocate(sizeof(struct exchange));
}

/* The reply to "POST /v1beta/models/gemini-pro:generateContent?alt=sse HTTP/1.1". */
static const struct reply *reply_to(const char *header)
{
	const char *path = strchr(header, ' ');
	size_t length = path ? strcspn(path + 1, " ?") : 0;
	const char *colon = length ? memrchr(path + 1, ':', length) : NULL;
	return colon ? find_reply(colon + 1, (size_t)(path + length - colon), true) : NULL;
}

static bool begin(struct connection *connection, struct exchange *exchange)
{
	const char *length = strcasestr(exchange->header, "\r\ncontent-length:");
	exchange->body = length ? strtoull(length + 17, NULL, 10) : 0;
	exchange->reply = reply_to(exchange->header);
	exchange->filled = 0;
	if (exchange->reply)
		return true;
	static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	put(connection, missing, sizeof missing - 1);
	return true;
}

static bool input(struct connection *connection, const uint8_t *bytes, size_t size)
{
	struct exchange *exchange = connection->state;
	while (size) {
		if (!exchange->body) {
			/* A byte at a time, up to the empty line; headers are short. */
			if (exchange->filled + 1 == sizeof exchange->header)
				return false;
			exchange->header[exchange->filled++] = (char)*bytes++;
			size--;
			exchange->header[exchange->filled] = 0;
			if (exchange->filled < 4 || memcmp(exchange->header + exchange->filled - 4, "\r\n\r\n", 4))
				continue;
			if (!begin(connection, exchange))
				return false;
		} else {
			size_t part = size < exchange->body ? size : exchange->body;
			exchange->body -= part;
			bytes += part;
			size -= part;
		}
		if (!exchange->body && exchange->reply) {
			add_answer(connection, exchange->reply, 0);
			exchange->reply = NULL;
		}
	}
	return true;
}

static void put_header(struct connection *connection, const struct answer *answer, bool streams)
{
	char header[256];
	const char *type = streams ? "text/event-stream" : "application/json; charset=UTF-8";
	int size = snprintf(header, sizeof header, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", type);
	put(connection, header, (size_t)size);
	size = streams ? snprintf(header, sizeof header, "Transfer-Encoding: chunked\r\n\r\n")
		       : snprintf(header, sizeof header, "Content-Length: %zu\r\n\r\n", answer->reply->size);
	put(connection, header, (size_t)size);
}

static bool output(struct connection *connection)
{
	struct answer *answer;
	while (connection->end - connection->begin < BATCH && (answer = TAILQ_FIRST(&connection->answers))) {
		bool streams = !strncmp(answer->reply->name, "Stream", 6);
		if (!is_due(answer))
			break;
		if (!answer->header_sent)
			put_header(connection, answer, streams);
		answer->header_sent = true;
		char line[32];
		if (streams)
			put(connection, line, (size_t)snprintf(line, sizeof line, "%zx\r\n", answer->reply->size));
		put(connection, answer->reply->bytes, answer->reply->size);
		if (streams)
			put(connection, "\r\n", 2);
		if (next_message(answer))
			continue;
		if (streams)
			put(connection, "0\r\n\r\n", 5);
		drop_answer(answer);
	}
	return true;
}

static void resume(struct answer *answer)
{
	(void)answer;
}

static void free_exchange(struct connection *connection)
{
	free(connection->state);
}

const struct protocol http1 = {open, input, output, resume, free_exchange};
