#pragma once

#include <memory>

#include "api/websocket.h"
#include "base/thread_pool.h"
#include "server/connection_table.h"
#include "server/context.h"
#include "server/request_parser.h"
#include "server/stream.h"

namespace stenod::server {

/// Answers a valid WebSocket handshake and carries the connection from there. Call on the stream's strand, with nothing
/// pending on the stream. `strand` is the handler's: it is called, and destroyed, there.
void start_websocket(ConnectionTable::SharedPlace place, Stream stream, ServerContext& context, const Strand& strand,
                     std::shared_ptr<std::unique_ptr<api::WebSocketHandler>> handler, const RequestHead& head);

}  // namespace stenod::server
