/* gRPC over HTTP/2, without TLS: the body of a request is discarded, and the answer sent at its end. */

#include "server.h"

#include <err.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

#define PAIR(name, value) {(uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, 0}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags,
			   nghttp2_data_source *source, void *data)
{
	(void)data;
	struct answer *answer = source->ptr;
	if (!is_due(answer))
		return NGHTTP2_ERR_DEFERRED;
	/* One message per frame, as from a server that produces them one by one. */
	size_t size = answer->reply->size - answer->offset;
	if (size > length)
		size = length;
	memcpy(buffer, answer->reply->bytes + answer->offset, size);
	answer->offset += size;
	if (answer->offset == answer->reply->size && !next_message(answer)) {
		static const nghttp2_nv trailers[] = {PAIR("grpc-status", "0")};
		*flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (nghttp2_submit_trailer(session, stream, trailers, 1))
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return (ssize_t)size;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
		     const uint8_t *value, size_t size, uint8_t flags, void *data)
{
	(void)flags;
	if (name_size != 5 || memcmp(name, ":path", 5))
		return 0;
	size_t begin = size;
	while (begin && value[begin - 1] != '/')
		begin--;
	const struct reply *reply = find_reply((const char *)value + begin, size - begin, false);
	if (!reply)
		return 0;
	struct answer *answer = add_answer(data, reply, frame->hd.stream_id);
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, answer);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
	(void)data;
	static const nghttp2_nv headers[] = {PAIR(":status", "200"), PAIR("content-type", "application/grpc")};
	static const nghttp2_nv unknown[] = {PAIR(":status", "200"), PAIR("content-type", "application/grpc"),
					     PAIR("grpc-status", "12")};
	bool ends = frame->hd.type <= NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	if (!ends)
		return 0;
	struct answer *answer = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (!answer)
		return nghttp2_submit_response(session, frame->hd.stream_id, unknown, 3, NULL);
	nghttp2_data_provider provider = {.source.ptr = answer, .read_callback = read_answer};
	return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &provider);
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *data)
{
	(void)code;
	(void)data;
	struct answer *answer = nghttp2_session_get_stream_user_data(session, stream);
	if (answer)
		drop_answer(answer);
	return 0;
}

static void open(struct connection *connection)
{
	static nghttp2_session_callbacks *callbacks;
	if (!callbacks) {
		if (nghttp2_session_callbacks_new(&callbacks))
			errx(1, "nghttp2_session_callbacks_new");
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	}
	nghttp2_session *session;
	if (nghttp2_session_server_new(&session, callbacks, connection))
		errx(1, "nghttp2_session_server_new");
	connection->state = session;
	/* Flow-control windows so large that no client waits for one. */
	const int32_t window = INT32_MAX;
	nghttp2_settings_entry entries[] = {
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)window},
		{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1024 * 1024},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.streams},
	};
	if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries, 3) ||
	    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, window))
		errx(1, "nghttp2_submit_settings");
}

static bool input(struct connection *connection, const uint8_t *bytes, size_t size)
{
	return nghttp2_session_mem_recv(connection->state, bytes, size) == (ssize_t)size;
}

static bool output(struct connection *connection)
{
	while (connection->end - connection->begin < BATCH) {
		const uint8_t *bytes;
		ssize_t size = nghttp2_session_mem_send(connection->state, &bytes);
		if (size < 0)
			return false;
		if (!size)
			break;
		put(connection, bytes, (size_t)size);
	}
	return connection->begin < connection->end || nghttp2_session_want_read(connection->state);
}

static void resume(struct answer *answer)
{
	nghttp2_session_resume_data(answer->connection->state, answer->stream);
}

static void close_session(struct connection *connection)
{
	nghttp2_session_del(connection->state);
}

const struct protocol h2 = {open, input, output, resume, close_session};
