#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stenod::app {

/// What `stenod serve` can be told, with the defaults. The table in settings_table.cc has for each of them its
/// spellings, its limits and what it means.
struct ServeSettings {
  struct Server {
    std::string listen = "127.0.0.1:8765";
    std::int64_t io_threads = 0;
    std::int64_t audio_threads = 0;
    std::int64_t max_connections = 2048;
    std::int64_t max_connections_per_ip = 512;
    std::int64_t max_message_bytes = 16 << 20;
    bool permessage_deflate = false;
    std::vector<std::string> allowed_origins;
    std::vector<std::string> allowed_hosts;
    std::vector<std::string> trusted_proxies;
    std::string tls_certificate;
    std::string tls_key;
    bool allow_public_without_keys = false;
    std::int64_t shutdown_s = 10;
  } server;

  struct Engine {
    std::string model = "base";
    std::int64_t threads = 0;
    std::string compute_type = "auto";
    std::string max_isa = "auto";
    std::string device = "auto";
    std::int64_t slots = 16;
  } engine;

  struct Live {
    std::int64_t beam_size = 1;
    std::int64_t beam_size_max = 5;
    std::int64_t silence_ms = 500;
    std::int64_t silence_ms_min = 100;
    std::int64_t silence_ms_max = 5000;
    double vad_threshold = 0.5;
    double vad_threshold_min = 0.05;
    double vad_threshold_max = 0.95;
    std::int64_t min_speech_ms = 300;
    std::int64_t min_speech_ms_min = 0;
    std::int64_t min_speech_ms_max = 2000;
    std::int64_t partial_interval_ms = 1000;
    std::int64_t partial_interval_ms_min = 200;
    std::int64_t partial_interval_ms_max = 30000;
    std::int64_t max_sessions = 256;
    std::int64_t max_session_s = 3600;
    std::int64_t idle_timeout_s = 60;
    bool log_text = false;
  } live;

  struct Files {
    std::int64_t max_upload_bytes = 100 << 20;
    std::int64_t max_concurrent = 4;
    std::int64_t max_queued = 64;
    std::int64_t timeout_s = 3600;
  } files;

  struct Access {
    std::int64_t max_streams_per_ip = 0;
    std::int64_t token_ttl_s = 600;
    std::int64_t max_token_ttl_s = 86400;
  } access;

  struct Log {
    std::string level = "info";
    std::string format = "text";
  } log;
};

}  // namespace stenod::app
