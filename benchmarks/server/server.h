/* What the two protocols share: canned replies, connections, and the answers under way. */

#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* A file of the replies' directory: one message, sent as it is. */
struct reply {
	char name[64];       /* the RPC's name, such as StreamGenerateContent */
	bool json;           /* for HTTP/1.1; otherwise for gRPC */
	uint8_t *bytes;
	size_t size;
	uint8_t *stamp;      /* twenty digits within bytes, or NULL: the time of sending goes there */
};

struct settings {
	size_t chunks;       /* messages of a streamed reply */
	uint64_t pace;       /* nanoseconds before a unary reply, and between the messages of a stream */
	uint32_t streams;    /* open at once on a connection */
};

struct connection;

/* A reply under way. */
struct answer {
	struct connection *connection;
	const struct reply *reply;
	int32_t stream;      /* HTTP/2's number of it */
	size_t left;         /* messages still to send, the current one included */
	size_t offset;       /* bytes of the current message that were sent */
	uint64_t due;        /* when the current message may be sent; 0 for now */
	bool waits;          /* is in the queue of those that wait for it */
	bool headed;         /* HTTP/1.1: the header was sent */
	TAILQ_ENTRY(answer) siblings, waiting;
};

struct protocol {
	void (*open)(struct connection *);
	/* False closes the connection. */
	bool (*input)(struct connection *, const uint8_t *, size_t);
	/* Puts what there is to send into the connection's buffer, some 64 kB of it at most. */
	bool (*output)(struct connection *);
	/* The answer's message is due. */
	void (*resume)(struct answer *);
	void (*close)(struct connection *);
};

struct connection {
	int fd;
	const struct protocol *protocol;
	void *state;
	uint8_t *out;
	size_t begin, end, capacity;
	bool blocked;        /* waits for the socket to take more */
	TAILQ_HEAD(, answer) answers;
};

enum { BATCH = 64 * 1024, PREFIX = 5, DIGITS = 20 };

extern struct settings settings;
extern const struct protocol h2, http1;

const struct reply *find_reply(const char *name, size_t length, bool json);
struct answer *add_answer(struct connection *, const struct reply *, int32_t stream);
void drop_answer(struct answer *);
/* Whether the current message may be sent now; if not, `resume` is called when it may. Stamps it when it begins. */
bool is_due(struct answer *);
/* The current message was sent; whether another follows. */
bool next_message(struct answer *);
void put(struct connection *, const void *, size_t);
void *allocate(size_t);

#endif
