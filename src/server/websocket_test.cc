// WebSocket over real sockets: what good clients meet, and what bad ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "server/testing/raw_client.h"
#include "server/testing/test_server.h"

namespace stenod::server {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::RawClient;
using testing::TestServer;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

RawClient open(TestServer& server, std::string_view path = "/ws/echo", const RawClient::Options& options = {}) {
  RawClient client(server.port(), options);
  EXPECT_EQ(client.upgrade(path).status, 101);
  return client;
}

/// on_closed() came exactly once, and nothing but the destructor after it.
void expect_orderly_end(TestServer& server) {
  EXPECT_TRUE(server.journal.wait_for("gone"));
  const std::vector<std::string> entries = server.journal.entries();
  ASSERT_GE(entries.size(), 2u);
  EXPECT_EQ(entries.front(), "open");
  EXPECT_EQ(entries.back(), "gone");
  EXPECT_THAT(entries[entries.size() - 2], StartsWith("closed: "));
  EXPECT_EQ(
      std::count_if(entries.begin(), entries.end(), [](const std::string& e) { return e.rfind("closed", 0) == 0; }), 1);
}

TEST(WebSocket, CarriesMessagesBothWays) {
  TestServer server;
  RawClient client(server.port());
  const auto handshake = client.upgrade("/ws/echo");
  EXPECT_EQ(handshake.status, 101);
  EXPECT_EQ(handshake.field("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(handshake.field("Sec-WebSocket-Protocol"), "");
  for (const std::size_t size : {0, 1, 125, 126, 65535, 65536, 1'000'000}) {
    const std::string text(size, 'x');
    client.send_frame(RawClient::kText, text);
    EXPECT_TRUE(client.read_message().payload == text) << size;
    client.send_frame(RawClient::kBinary, text);
    EXPECT_EQ(client.read_message().payload, std::to_string(size) + " bytes");
  }
  client.send_frame(RawClient::kText, "in \xc3", false);
  client.send_frame(RawClient::kPing, "between");
  client.send_frame(RawClient::kContinuation, "", false);
  client.send_frame(RawClient::kContinuation, "\xa4 pieces");
  EXPECT_EQ(client.read_frame().payload, "between");
  EXPECT_EQ(client.read_message().payload, "in ä pieces");
}

TEST(WebSocket, BadHandshakesAreAnswered) {
  ServerOptions options;
  options.allowed_origins = {"https://page.example"};
  TestServer server(std::move(options));
  const auto upgrade = [&](std::string_view path, std::string_view fields) {
    return RawClient(server.port()).get(path, fields);
  };
  constexpr std::string_view kGood = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  constexpr std::string_view kKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const auto with = [](std::initializer_list<std::string_view> parts) {
    std::string all;
    for (const std::string_view part : parts) all += part;
    return all;
  };
  EXPECT_EQ(upgrade("/ws/echo", "").status, 426);
  EXPECT_EQ(upgrade("/ws/echo", "").field("Upgrade"), "websocket");
  EXPECT_EQ(upgrade("/ws/echo", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n").status,
            426);
  EXPECT_EQ(upgrade("/ws/echo", kGood).status, 400);
  EXPECT_EQ(upgrade("/ws/echo", with({kGood, "Sec-WebSocket-Key: short==\r\n"})).status, 400);
  EXPECT_EQ(upgrade("/ws/echo", with({kGood, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!==\r\n"})).status, 400);
  EXPECT_EQ(upgrade("/ws/echo", with({kGood, kKey, kKey})).status, 400);
  EXPECT_EQ(upgrade("/ws/echo", with({"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", kKey})).status, 400);
  EXPECT_EQ(upgrade("/ws/echo", with({kGood, kKey, "Content-Length: 2\r\n"})).status, 400);
  EXPECT_EQ(upgrade("/ws/echo", with({kGood, kKey, "Origin: https://evil.example\r\n"})).status, 403);
  EXPECT_EQ(upgrade("/ws/echo", with({kGood, kKey, "Origin: https://page.example\r\n"})).status, 101);
  EXPECT_EQ(upgrade("/ws/echo", with({kGood, kKey, "Origin: http://localhost\r\n"})).status, 101);
  EXPECT_EQ(upgrade("/hello/nobody", with({kGood, kKey})).status, 200) << "speaks HTTP only, and may ignore the wish";
  const auto refused = upgrade("/ws/refused", with({kGood, kKey}));
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.field("Retry-After"), "");
  EXPECT_THAT(refused.body, HasSubstr("no slot is free"));
}

TEST(WebSocket, APlainRequestLearnsWhyAnUpgradeIsRefused) {
  ServerOptions options;
  options.allowed_origins = {"https://page.example"};
  options.authorise = [](api::HttpRequest&, api::Route::Access, std::string_view credential) -> Status {
    if (credential == "sesame") return {};
    return Error{ErrorCode::kUnauthorized, "who are you?"};
  };
  TestServer server(std::move(options));
  RawClient client(server.port());
  constexpr std::string_view kKey = "Authorization: Bearer sesame\r\n";
  EXPECT_EQ(client.get("/ws/refused").status, 401);
  EXPECT_EQ(client.get("/ws/echo").status, 401);
  const auto refused = client.get("/ws/refused", kKey);
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.field("Retry-After"), "");
  EXPECT_THAT(refused.body, HasSubstr("no slot is free"));
  EXPECT_EQ(client.get("/ws/echo", kKey).status, 426);
  EXPECT_TRUE(server.journal.entries().empty()) << "nothing was opened";

  const auto from = [&](std::string_view origin, std::string_view method = "GET") {
    return client.get("/ws/echo", "Origin: " + std::string(origin) + "\r\n" + std::string(kKey), method);
  };
  EXPECT_THAT(from("https://evil.example").body, HasSubstr("origin_not_allowed"));
  EXPECT_EQ(from("https://page.example").status, 426);
  EXPECT_EQ(from("https://page.example").field("Access-Control-Allow-Origin"), "https://page.example");
  const auto preflight = from("https://page.example", "OPTIONS");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.field("Access-Control-Allow-Methods"), "GET, OPTIONS");
  EXPECT_EQ(from("https://evil.example", "OPTIONS").status, 403);
  EXPECT_EQ(client.get("/ws/echo", "", "POST").field("Allow"), "GET, OPTIONS");
  EXPECT_EQ(client.get("/ws/echo", "Content-Length: 5\r\n" + std::string(kKey)).status, 426) << "whatever follows";
}

TEST(WebSocket, ABrowsersKeyIsUsedAndNotRepeated) {
  ServerOptions options;
  options.authorise = [](api::HttpRequest&, api::Route::Access, std::string_view credential) -> Status {
    if (credential != "sesame") return Error{ErrorCode::kNotFound, "who are you?"};
    return {};
  };
  TestServer server(std::move(options));
  RawClient client(server.port());
  const auto response = client.upgrade("/ws/echo", "Sec-WebSocket-Protocol: stenod, key.sesame\r\n");
  EXPECT_EQ(response.status, 101);
  EXPECT_EQ(response.field("Sec-WebSocket-Protocol"), "stenod");
  for (const auto& [name, value] : response.headers) EXPECT_THAT(value, Not(HasSubstr("sesame")));
  EXPECT_EQ(RawClient(server.port()).upgrade("/ws/echo", "Sec-WebSocket-Protocol: stenod, key.x\r\n").status, 404);
  EXPECT_EQ(RawClient(server.port()).upgrade("/ws/echo").status, 404);
}

TEST(WebSocket, CompressesOnlyWhenTold) {
  const std::string_view offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
  TestServer plain;
  EXPECT_EQ(RawClient(plain.port()).upgrade("/ws/echo", offer).field("Sec-WebSocket-Extensions"), "");
  ServerOptions options;
  options.permessage_deflate = true;
  TestServer server(std::move(options));
  EXPECT_THAT(std::string(RawClient(server.port()).upgrade("/ws/echo", offer).field("Sec-WebSocket-Extensions")),
              StartsWith("permessage-deflate"));
}

TEST(WebSocket, MayFollowOtherRequestsAtOnce) {
  TestServer server;
  for (int i = 0; i < 50; ++i) {
    RawClient client(server.port());
    client.send("GET /hello/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(client.upgrade("/ws/echo").body, "nobody");
    EXPECT_EQ(client.read_response().status, 101);
    client.send_frame(RawClient::kText, "hi");
    EXPECT_EQ(client.read_message().payload, "hi");
  }
  RawClient hasty(server.port());
  hasty.send("GET /hello/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n");
  hasty.send(
      "GET /ws/echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
      "GET /hello/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(hasty.read_response().status, 200);
  EXPECT_EQ(hasty.read_response().status, 400) << "what comes before the answer may be meant for somebody else";
  EXPECT_EQ(hasty.read_response().status, 0) << "it is no request, though it looks like one";
}

// The end

TEST(WebSocket, EndsWhenTheClientCloses) {
  TestServer server;
  RawClient client = open(server);
  client.send_frame(RawClient::kText, "last");
  client.send_frame(RawClient::kClose,
                    "\x03\xe8"
                    "bye");
  EXPECT_EQ(client.read_message().payload, "last");
  EXPECT_EQ(client.read_message().close_code(), 1000);
  EXPECT_TRUE(client.is_closed_by_server());
  expect_orderly_end(server);
  EXPECT_THAT(server.journal.entries(), Contains("closed: the client closed with 1000"));
}

TEST(WebSocket, EndsWhenTheHandlerCloses) {
  TestServer server;
  RawClient client = open(server);
  client.send_frame(RawClient::kText, "first");
  client.send_frame(RawClient::kText, "close");
  EXPECT_EQ(client.read_message().payload, "first") << "what was sent before is written";
  const auto close = client.read_message();
  EXPECT_EQ(close.close_code(), 1000);
  EXPECT_EQ(close.payload.substr(2), "as you wish");
  client.send_frame(RawClient::kClose, "\x03\xe8");
  EXPECT_TRUE(client.is_closed_by_server());
  expect_orderly_end(server);
}

// However long that takes: the limits are far shorter here than the reading.
TEST(WebSocket, AClientThatReadsGetsAllThatWasSentBeforeTheClose) {
  ServerOptions options;
  options.limits.max_unsent_message_bytes = 20'000'000;
  options.limits.close_timeout = 100ms;
  options.limits.write_timeout = 1s;
  options.limits.tick_interval = 20ms;
  TestServer server(std::move(options));
  RawClient client = open(server, "/ws/talk", {.receive_buffer_bytes = 65536});
  client.send_frame(RawClient::kText, "close");
  for (int i = 0; i < 1000; ++i) {
    if (i < 400) std::this_thread::sleep_for(5ms);
    ASSERT_EQ(client.read_message().payload.size(), 10'000u) << i;
  }
  EXPECT_EQ(client.read_message().payload, "end");
  EXPECT_EQ(client.read_message().close_code(), 1000);
}

TEST(WebSocket, EndsWithoutTheClientsPartInClosing) {
  ServerOptions options;
  options.limits.close_timeout = 100ms;
  options.limits.write_timeout = 100ms;
  options.limits.tick_interval = 20ms;
  TestServer server(std::move(options));
  RawClient client = open(server);
  client.send_frame(RawClient::kText, "close");
  expect_orderly_end(server);
}

TEST(WebSocket, EndsWhenTheHandlerThrows) {
  TestServer server;
  RawClient client = open(server);
  client.send_frame(RawClient::kText, "throw");
  EXPECT_EQ(client.read_message().close_code(), 1011);
  client.send_frame(RawClient::kClose, "\x03\xf3");
  expect_orderly_end(server);
}

TEST(WebSocket, EndsWhenTheClientVanishes) {
  for (const bool in_a_message : {false, true}) {
    TestServer server;
    RawClient client = open(server);
    client.send_frame(RawClient::kBinary, std::string(1'000'000, 'x'), !in_a_message);
    client.send("\x82");
    client.reset();
    expect_orderly_end(server);
  }
}

TEST(WebSocket, EndsWhenAHalfOpenClientIsSilent) {
  ServerOptions options;
  options.limits.silence_timeout = 400ms;
  options.limits.ping_interval = 100ms;
  options.limits.close_timeout = 100ms;
  options.limits.tick_interval = 20ms;
  TestServer server(std::move(options));
  RawClient silent = open(server);
  RawClient::Frame frame;
  int num_pings = 0;
  while ((frame = silent.read_frame()).opcode == RawClient::kPing) ++num_pings;
  EXPECT_GE(num_pings, 2);
  EXPECT_EQ(frame.close_code(), 1008);
  EXPECT_TRUE(silent.is_closed_by_server());
  expect_orderly_end(server);

  RawClient alive = open(server);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ((frame = alive.read_frame()).opcode, RawClient::kPing);
    alive.send_frame(RawClient::kPong, frame.payload);
  }
}

// Clients that are too fast or too slow

TEST(WebSocket, PingsAreAnsweredWhileTheHandlerIsBusy) {
  TestServer server;
  RawClient client = open(server, "/ws/busy");
  client.send_frame(RawClient::kText, "x");
  EXPECT_TRUE(server.journal.wait_for("busy"));
  for (int i = 0; i < 100; ++i) {
    client.send_frame(RawClient::kPing, "p" + std::to_string(i));
    const auto pong = client.read_frame();
    ASSERT_EQ(pong.opcode, RawClient::kPong);
    EXPECT_EQ(pong.payload, "p" + std::to_string(i));
  }
  server.release();
  EXPECT_EQ(client.read_message().payload, "x");
}

TEST(WebSocket, ABusyHandlerIsNotGivenMoreThanOneTick) {
  ServerOptions options;
  options.limits.tick_interval = 5ms;
  TestServer server(std::move(options));
  RawClient client = open(server, "/ws/busy");
  client.send_frame(RawClient::kText, "x");
  EXPECT_TRUE(server.journal.wait_for("busy"));
  std::this_thread::sleep_for(200ms);
  const auto ticks = [&] {
    const auto entries = server.journal.entries();
    return std::count(entries.begin(), entries.end(), "tick");
  };
  const auto before = ticks();
  client.send_frame(RawClient::kText, "y");
  server.release();
  EXPECT_EQ(client.read_message().payload, "x");
  EXPECT_EQ(client.read_message().payload, "y");
  EXPECT_LT(ticks() - before, 20);
  EXPECT_TRUE(server.journal.wait_for("tick"));
}

TEST(WebSocket, ASenderIsHeldUpByAHandlerThatDoesNotRead) {
  TestServer server;
  RawClient client = open(server, "/ws/deaf", {.timeout = 500ms});
  const std::string message(100'000, 'x');
  int num_sent = 0;
  while (num_sent < 1000 && client.send_frame(RawClient::kBinary, message)) ++num_sent;
  EXPECT_LT(num_sent, 100) << "what the system's buffers take, and one message";
}

TEST(WebSocket, ManyTinyMessagesHarmNobody) {
  TestServer server;
  RawClient talker = open(server);
  RawClient other = open(server);
  constexpr int kNumMessages = 20'000;
  std::thread sending([&] {
    for (int i = 0; i < kNumMessages; ++i) talker.send_frame(RawClient::kBinary, "x");
  });
  for (int i = 0; i < 20; ++i) {
    const auto start = steady_clock::now();
    other.send_frame(RawClient::kText, "still there?");
    EXPECT_EQ(other.read_message().payload, "still there?");
    EXPECT_LT(steady_clock::now() - start, 5s);
  }
  for (int i = 0; i < kNumMessages; ++i) ASSERT_EQ(talker.read_message().payload, "1 bytes");
  sending.join();
}

TEST(WebSocket, AFloodOfPingsIsAnswered) {
  TestServer server;
  RawClient client = open(server);
  std::thread sending([&] {
    for (int i = 0; i < 20'000; ++i) client.send_frame(RawClient::kPing, "x");
    client.send_frame(RawClient::kText, "done");
  });
  int num_pongs = 0;
  RawClient::Frame frame;
  while ((frame = client.read_frame()).opcode == RawClient::kPong) ++num_pongs;
  sending.join();
  EXPECT_EQ(frame.payload, "done");
  EXPECT_EQ(num_pongs, 20'000);
}

TEST(WebSocket, AReaderMayBeSlowWithinLimits) {
  ServerOptions options;
  options.limits.max_unsent_message_bytes = 20'000'000;
  TestServer server(std::move(options));
  RawClient client = open(server, "/ws/talk", {.receive_buffer_bytes = 4096});
  client.send_frame(RawClient::kText, "talk");
  std::this_thread::sleep_for(100ms);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(client.read_message().payload.size(), 10'000u);
  EXPECT_EQ(client.read_message().payload, "end");
}

TEST(WebSocket, OneMessageMayBeLargerThanWhatMayWait) {
  ServerOptions options;
  options.limits.max_unsent_message_bytes = 1000;
  TestServer server(std::move(options));
  RawClient client = open(server);
  for (int i = 0; i < 3; ++i) {
    client.send_frame(RawClient::kText, std::string(100'000, 'x'));
    EXPECT_EQ(client.read_message().payload.size(), 100'000u);
  }
}

TEST(WebSocket, AClientThatDoesNotReadIsClosedWhenTooMuchWaits) {
  ServerOptions options;
  options.limits.max_unsent_message_bytes = 1'000'000;
  options.limits.close_timeout = 200ms;
  options.limits.tick_interval = 20ms;
  TestServer server(std::move(options));
  RawClient client = open(server, "/ws/talk", {.receive_buffer_bytes = 4096});
  client.send_frame(RawClient::kText, "talk");
  expect_orderly_end(server);
}

TEST(WebSocket, AClientThatReadsTooLateIsToldWhyItWasClosed) {
  ServerOptions options;
  options.limits.max_unsent_message_bytes = 1'000'000;
  TestServer server(std::move(options));
  RawClient client = open(server, "/ws/talk", {.receive_buffer_bytes = 4096});
  client.send_frame(RawClient::kText, "talk");
  RawClient::Frame frame;
  while ((frame = client.read_frame()).opcode == RawClient::kText) {
  }
  EXPECT_EQ(frame.close_code(), 1008);
}

TEST(WebSocket, AClientThatDoesNotReadIsCutWhenNothingMoves) {
  ServerOptions options;
  options.limits.max_unsent_message_bytes = 20'000'000;
  options.limits.write_timeout = 200ms;
  options.limits.tick_interval = 20ms;
  TestServer server(std::move(options));
  RawClient client = open(server, "/ws/talk", {.receive_buffer_bytes = 4096});
  client.send_frame(RawClient::kText, "talk");
  expect_orderly_end(server);
  EXPECT_THAT(server.journal.entries(), Contains("closed: it does not read"));
}

// Messages that are too large or wrong

TEST(WebSocket, TooLargeAMessageIsRefused) {
  TestServer server;
  RawClient client = open(server);
  EXPECT_TRUE(client.send_frame(RawClient::kBinary, std::string(64'000'000, 'x'))) << "it can be sent whole";
  EXPECT_EQ(client.read_message().close_code(), 1009);
  EXPECT_TRUE(client.is_closed_by_server());
  expect_orderly_end(server);
}

TEST(WebSocket, TooLargeAMessageInPiecesIsRefused) {
  ServerOptions options;
  options.limits.max_message_bytes = 1'000'000;
  TestServer server(std::move(options));
  RawClient client = open(server);
  client.send_frame(RawClient::kText, std::string(1'000'000, 'x'));
  EXPECT_EQ(client.read_message().payload.size(), 1'000'000u);
  client.send_frame(RawClient::kText, std::string(600'000, 'x'), false);
  client.send_frame(RawClient::kContinuation, std::string(400'001, 'x'), false);
  EXPECT_EQ(client.read_message().close_code(), 1009);
}

TEST(WebSocket, AllIncompleteMessagesTogetherAreBounded) {
  ServerOptions options;
  options.limits.max_assembling_bytes = 1'500'000;
  TestServer server(std::move(options));
  const std::string half(900'000, 'x');
  {
    RawClient first = open(server);
    first.send_frame(RawClient::kBinary, half, false);
    first.send_frame(RawClient::kPing, "");
    EXPECT_EQ(first.read_frame().opcode, RawClient::kPong) << "so it has arrived";
    RawClient second = open(server);
    second.send_frame(RawClient::kBinary, half, false);
    EXPECT_EQ(second.read_message().close_code(), 1013);
    first.send_frame(RawClient::kContinuation, half.substr(0, 500'000));
    EXPECT_EQ(first.read_message().payload, "1400000 bytes");
    first.send_frame(RawClient::kBinary, half, false);
  }
  EXPECT_TRUE(server.journal.wait_for("gone"));
  // What was held is given back, also by those who left.
  std::string answer;
  for (const auto end = steady_clock::now() + 10s; answer != "1400000 bytes" && steady_clock::now() < end;) {
    RawClient third = open(server);
    third.send_frame(RawClient::kBinary, std::string(1'400'000, 'x'));
    answer = third.read_message().payload;
  }
  EXPECT_EQ(answer, "1400000 bytes");
}

TEST(WebSocket, WrongUtf8IsRefused) {
  for (const std::string text : {"\xff", "ok \xc3", "\xc3\x28", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"}) {
    TestServer server;
    RawClient client = open(server);
    client.send_frame(RawClient::kText, text);
    EXPECT_EQ(client.read_message().close_code(), 1007) << ::testing::PrintToString(text);
    expect_orderly_end(server);
  }
}

TEST(WebSocket, WrongFramesAreRefused) {
  using namespace std::string_literals;
  for (const std::string& bytes : {
           "\x82\x01x"s,                              // not masked
           "\x83\x80\0\0\0\0"s, "\x8b\x80\0\0\0\0"s,  // unknown operations
           "\xc2\x80\0\0\0\0"s, "\xa2\x80\0\0\0\0"s,  // reserved bits
           "\x89\xfe\0\x7e\0\0\0\0"s,                 // a ping too long
           "\x09\x80\0\0\0\0"s,                       // a ping in pieces
           "\x80\x80\0\0\0\0"s,                       // a continuation of nothing
           "\x02\x80\0\0\0\0\x82\x80\0\0\0\0"s,       // two messages at once
           "\x88\x81\0\0\0\0x"s,                      // half a close code
           "\x88\x82\0\0\0\0\x03\xed"s,               // code 1005
           "\x82\xfe\0\x01\0\0\0\0x"s,                // a length not written shortly
           "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"s,     // a negative length
       }) {
    TestServer server;
    RawClient client = open(server);
    client.send(bytes);
    const int code = client.read_message().close_code();
    EXPECT_TRUE(code == 1002 || code == 1009) << code << " for " << ::testing::PrintToString(bytes);
    EXPECT_TRUE(client.is_closed_by_server());
    expect_orderly_end(server);
  }
}

// Shutting down

TEST(WebSocket, ShuttingDownGivesNotice) {
  TestServer server;
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(open(server));
  std::thread stopping([&] { server.stop_within(20s); });
  for (RawClient& client : clients) {
    EXPECT_EQ(client.read_message().payload, "last words");
    const auto close = client.read_message();
    EXPECT_EQ(close.close_code(), 1001);
    client.send_frame(RawClient::kClose, "\x03\xe9");
    EXPECT_TRUE(client.is_closed_by_server());
  }
  stopping.join();
  const auto entries = server.journal.entries();
  EXPECT_EQ(std::count(entries.begin(), entries.end(), "gone"), 20);
}

TEST(WebSocket, ShuttingDownCutsAtTheDeadline) {
  TestServer server;
  RawClient client = open(server, "/ws/deaf");
  EXPECT_TRUE(server.journal.wait_for("open"));
  const auto start = steady_clock::now();
  server.stop_within(300ms);
  EXPECT_GE(steady_clock::now() - start, 300ms);
  EXPECT_LT(steady_clock::now() - start, 5s);
  EXPECT_THAT(server.journal.entries(), Contains("shutdown"));
  expect_orderly_end(server);
}

TEST(WebSocket, AreCounted) {
  TestServer server;
  {
    RawClient client = open(server);
    EXPECT_THAT(server.metrics.text(), HasSubstr("stenod_websockets 1\n"));
    client.send_frame(RawClient::kClose, "");
    client.read_message();
  }
  expect_orderly_end(server);
  server.stop_within(5s);
  EXPECT_THAT(server.metrics.text(), AllOf(HasSubstr("stenod_websockets 0\n"),
                                           HasSubstr("stenod_websockets_closed_total{reason=\"client\"} 1\n"),
                                           HasSubstr("stenod_connections 0\n")));
}

}  // namespace
}  // namespace stenod::server
