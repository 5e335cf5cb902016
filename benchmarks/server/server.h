/* Shared by the two protocols: canned replies, connections, and answers in progress. */

#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* A file of the replies' directory: one message, sent unchanged. */
struct reply {
	char name[64];       /* the RPC's name, such as StreamGenerateContent */
	bool json;           /* for HTTP/1.1; otherwise for gRPC */
	uint8_t *bytes;
	size_t size;
	uint8_t *timestamp;  /* twenty digits within bytes that are replaced by the time of sending, or NULL */
};

struct settings {
	size_t chunks;       /* messages of a streamed reply */
	uint64_t pace;       /* nanoseconds before a unary reply, and between the messages of a stream */
	uint32_t streams;    /* concurrent streams per connection */
};

struct connection;

/* A reply in progress. */
struct answer {
	struct connection *connection;
	const struct reply *reply;
	int32_t stream;      /* HTTP/2: the stream's ID */
	size_t left;         /* messages to send, the current one included */
	size_t offset;       /* bytes of the current message already sent */
	uint64_t due;        /* time at which the current message may be sent; 0 for now */
	bool queued;         /* in the queue of answers that wait for their time */
	bool header_sent;    /* HTTP/1.1 only */
	TAILQ_ENTRY(answer) siblings, waiting;
};

struct protocol {
	void (*open)(struct connection *);
	/* Returns false to close the connection. */
	bool (*input)(struct connection *, const uint8_t *, size_t);
	/* Puts pending output into the connection's buffer, up to about 64 kB; returns false to close the connection. */
	bool (*output)(struct connection *);
	/* Called when the answer's current message is due. */
	void (*resume)(struct answer *);
	void (*close)(struct connection *);
};

struct connection {
	int fd;
	const struct protocol *protocol;
	void *state;
	uint8_t *out;
	size_t begin, end, capacity;
	bool blocked;        /* waits for the socket to become writable */
	TAILQ_HEAD(, answer) answers;
};

enum { BATCH = 64 * 1024, PREFIX = 5, DIGITS = 20 };

extern struct settings settings;
extern const struct protocol h2, http1;

const struct reply *find_reply(const char *name, size_t length, bool json);
struct answer *add_answer(struct connection *, const struct reply *, int32_t stream);
void drop_answer(struct answer *);
/* Whether the current message may be sent now; if not, `resume` is called when it may. Sets its timestamp at its start. */
bool is_due(struct answer *);
/* Advances past the current message, which was sent; returns whether another follows. */
bool next_message(struct answer *);
void put(struct connection *, const void *, size_t);
void *allocate(size_t);

#endif
