#include <fmt/format.h>

#include <chrono>
#include <map>
#include <string>

#include "access/key_store.h"
#include "app/commands.h"
#include "app/console.h"
#include "base/json.h"
#include "base/paths.h"
#include "base/time_text.h"

namespace stenod::app {
namespace {

using access::KeyRecord;
using access::KeyStore;

std::filesystem::path database() { return data_dir() / "access.db"; }

access::TimePoint now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

std::string date_of(const std::optional<access::TimePoint>& time) { return time ? format_time(*time) : "never"; }

const char* state_of(const KeyRecord& key) {
  if (key.revoked_at) return "revoked";
  return key.is_valid(now()) ? "active" : "expired";
}

Result<std::string> create(const access::NewKey& key, Console& console) {
  STENOD_ASSIGN_OR_RETURN(KeyStore store, KeyStore::open_or_create(database()));
  STENOD_ASSIGN_OR_RETURN(const access::CreatedKey created, store.create(key, now()));
  console.note(fmt::format("created key {}; it is shown only now, for only its hash is stored", created.id));
  return created.text + '\n';
}

Result<std::string> list(bool as_json) {
  std::vector<KeyRecord> keys;
  std::map<std::string, double> used_s;
  if (std::filesystem::exists(database())) {
    STENOD_ASSIGN_OR_RETURN(KeyStore store, KeyStore::open(database()));
    STENOD_ASSIGN_OR_RETURN(keys, store.list());
    STENOD_ASSIGN_OR_RETURN(const auto usage, store.usage(access::day_of(now())));
    for (const access::Usage& one : usage) used_s[one.key_id] = one.audio_s;
  }
  std::string out;
  if (!as_json && keys.empty()) return std::string("no keys; stenod key create NAME makes one\n");
  if (!as_json) {
    out = fmt::format("{:<8}  {:<7}  {:<20}  {:<20}  {:>7}  {:>12}  {:>10}  {}\n", "ID", "STATE", "CREATED", "EXPIRES",
                      "STREAMS", "MINUTES/DAY", "USED TODAY", "NAME");
  }
  const auto or_none = [](const auto& limit) { return limit > 0 ? fmt::format("{}", limit) : std::string("-"); };
  for (const KeyRecord& key : keys) {
    const double used_min = used_s[key.id] / 60;
    if (as_json) {
      json::object object = {{"id", key.id},
                             {"name", key.name},
                             {"state", state_of(key)},
                             {"admin", key.is_admin},
                             {"streams", key.limits.streams},
                             {"minutes_per_day", key.limits.audio_minutes_per_day},
                             {"minutes_used_today", used_min},
                             {"created_at", date_of(key.created_at)}};
      if (key.expires_at) object["expires_at"] = date_of(key.expires_at);
      if (key.revoked_at) object["revoked_at"] = date_of(key.revoked_at);
      out += json::serialize(object) + '\n';
    } else {
      out += fmt::format("{:<8}  {:<7}  {:<20}  {:<20}  {:>7}  {:>12}  {:>10.1f}  {}{}\n", key.id, state_of(key),
                         date_of(key.created_at), date_of(key.expires_at), or_none(key.limits.streams),
                         or_none(key.limits.audio_minutes_per_day), used_min, printable(key.name),
                         key.is_admin ? " (admin)" : "");
    }
  }
  return out;
}

Result<std::string> revoke(const std::string& id, Console& console) {
  STENOD_ASSIGN_OR_RETURN(KeyStore store, KeyStore::open(database()));
  STENOD_RETURN_IF_ERROR(store.revoke(id, now()));
  console.note(fmt::format("revoked key {}", id));
  return std::string();
}

}  // namespace

int run(const KeyCommand& command, Interrupt&) {
  Console console(true);
  Result<std::string> result = std::string();
  if (const auto* creation = std::get_if<CreateKey>(&command.action)) {
    result = create(creation->key, console);
  } else if (const auto* revocation = std::get_if<RevokeKey>(&command.action)) {
    result = revoke(revocation->id, console);
  } else {
    result = list(std::get<ListKeys>(command.action).json);
  }
  const Status written = result ? console.write_result(*result) : Status(std::move(result).error());
  if (written) return kSuccess;
  console.error(written.error());
  return kFailure;
}

}  // namespace stenod::app
