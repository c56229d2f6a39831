#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "app/settings/load_settings.h"
#include "app/settings/settings_table.h"
#include "app/settings/toml_file.h"

namespace stenod::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    std::string name = std::filesystem::temp_directory_path() / "stenod_settings_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& text, const std::string& name = "stenod.toml") {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static LoadedSettings load(const SettingSources& sources) {
    auto loaded = load_settings(sources);
    if (const auto* problems = std::get_if<std::vector<Error>>(&loaded)) {
      for (const Error& problem : *problems) ADD_FAILURE() << problem.message;
      return {};
    }
    return std::get<LoadedSettings>(std::move(loaded));
  }
  /// The messages, without the folder.
  std::vector<std::string> problems(const SettingSources& sources) {
    const auto loaded = load_settings(sources);
    const auto* errors = std::get_if<std::vector<Error>>(&loaded);
    std::vector<std::string> messages;
    if (errors == nullptr) return messages;
    for (const Error& error : *errors) {
      messages.push_back(error.message);
      const std::string prefix = folder_.string() + '/';
      if (const auto at = messages.back().find(prefix); at != std::string::npos)
        messages.back().erase(at, prefix.size());
    }
    return messages;
  }
  std::vector<std::string> problems(const std::string& toml) { return problems({{}, write(toml), {}, {}}); }

  std::filesystem::path folder_;
};

const Setting& find(std::string_view key) {
  for (const Setting& setting : settings_table()) {
    if (setting.key() == key) return setting;
  }
  ADD_FAILURE() << key;
  return settings_table()[0];
}

TEST_F(SettingsTest, EverySettingHasItsSpellingsAndAnAllowedDefault) {
  EXPECT_EQ(find("live.silence_ms").flag(), "--live-silence-ms");
  EXPECT_EQ(find("live.silence_ms").variable(), "STENOD_LIVE_SILENCE_MS");
  EXPECT_EQ(find("engine.compute_type").short_flag(), "--compute-type");
  EXPECT_EQ(find("engine.compute_type").short_variable(), "STENOD_COMPUTE_TYPE");
  std::set<std::string> spellings;
  std::string_view section;
  std::set<std::string_view> sections;
  for (const Setting& setting : settings_table()) {
    for (const auto& name : {setting.flag(), setting.variable(), setting.short_flag(), setting.short_variable()}) {
      EXPECT_TRUE(name.empty() || spellings.insert(name).second) << name;
    }
    const bool is_next = setting.section != section;
    EXPECT_TRUE(!is_next || sections.insert(section = setting.section).second) << section;
    EXPECT_FALSE(setting.description.empty()) << setting.key();
    ServeSettings settings;
    const Status status = set_setting(setting, get_setting(setting, settings), settings);
    EXPECT_TRUE(status.ok()) << setting.key() << ": " << (status.ok() ? "" : status.error().message);
  }
  EXPECT_THAT(check_settings({}), IsEmpty());
}

TEST_F(SettingsTest, FlagsWinOverEnvironmentOverFileOverDefault) {
  SettingSources sources;
  EXPECT_EQ(load(sources).values.live.silence_ms, 500);
  sources.file = write("# mine\n[live]\nsilence_ms = 600\nvad_threshold = 0.6\n[engine]\nmodel = 'small'\n");
  EXPECT_EQ(load(sources).values.live.silence_ms, 600);
  sources.environment = {
      {"STENOD_LIVE_SILENCE_MS", "700"}, {"STENOD_LIVE_VAD_THRESHOLD", ""}, {"MODEL_SIZE", "medium"}};
  EXPECT_EQ(load(sources).values.live.silence_ms, 700);
  EXPECT_EQ(load(sources).values.live.vad_threshold, 0.6) << "an empty variable counts as none";
  EXPECT_EQ(load(sources).values.engine.model, "medium");
  sources.environment["STENOD_MODEL"] = "large-v3";
  EXPECT_EQ(load(sources).values.engine.model, "large-v3");
  sources.environment["STENOD_ENGINE_MODEL"] = "tiny.en";
  EXPECT_EQ(load(sources).values.engine.model, "tiny.en");
  sources.flags = {{"--live-silence-ms", "800"}, {"--model", "base"}};
  const LoadedSettings loaded = load(sources);
  EXPECT_EQ(loaded.values.live.silence_ms, 800);
  EXPECT_EQ(loaded.values.engine.model, "base");

  const auto source_of = [&](std::string_view key) {
    return loaded.sources[static_cast<std::size_t>(&find(key) - settings_table().data())];
  };
  EXPECT_EQ(source_of("live.silence_ms"), "--live-silence-ms");
  EXPECT_EQ(source_of("engine.model"), "--model");
  EXPECT_EQ(source_of("live.vad_threshold"), sources.file->string() + ":4");
  EXPECT_EQ(source_of("live.min_speech_ms"), "default");
}

TEST_F(SettingsTest, TheFileIsTheNamedOneOrTheFirstDefaultThatIsThere) {
  const auto a = write("[live]\nsilence_ms = 601\n", "a.toml");
  const auto b = write("[live]\nsilence_ms = 602\n", "b.toml");
  SettingSources sources{{}, std::nullopt, {folder_ / "none.toml", b, a}, {}};
  EXPECT_EQ(load(sources).values.live.silence_ms, 602);
  sources.environment["STENOD_CONFIG"] = a;
  EXPECT_EQ(load(sources).values.live.silence_ms, 601);
  sources.file = b;
  EXPECT_EQ(load(sources).values.live.silence_ms, 602);
  sources.file = folder_ / "none.toml";
  EXPECT_THAT(problems(sources), ElementsAre("none.toml: cannot open: No such file or directory"));
  sources.file = folder_;
  EXPECT_THAT(problems(sources), ElementsAre(HasSubstr("not a regular file")));
}

TEST_F(SettingsTest, EverythingWrongIsReportedAtOnceWithItsPlace) {
  SettingSources sources;
  sources.file = write(
      "listen = '0.0.0.0:80'\n"
      "[live]\n"
      "silence_m = 500\n"
      "silence_ms = \"500\"\n"
      "vad_threshold = 2\n"
      "log_text = 1\n"
      "[liv]\n"
      "x = 1\n"
      "[log]\n"
      "format = 'xml'\n"
      "[live.deeper]\n"
      "a = 1\n"
      "[server]\n"
      "trusted_proxies = ['10.0.0.0/8', 7]\n"
      "allowed_origins = ['https://a.example/path']\n");
  sources.environment = {{"STENOD_LIVE_MAX_SESSIONS", "many"},
                         {"STENOD_LIVE_MAX_SESSION", "5"},
                         {"STENOD_SERVER_PORT_8765_TCP", "tcp://10.0.0.1:8765"},
                         {"STENOD_MODEL_DIR", "/models"}};
  sources.flags = {{"--files-timeout-s", "-1"}, {"--live-silence", ""}, {"--device", "cuda"}};
  EXPECT_THAT(
      problems(sources),
      ElementsAre(
          "stenod.toml:1: unknown setting listen; did you mean server.listen?",
          "stenod.toml:3: unknown setting live.silence_m; did you mean silence_ms?",
          "stenod.toml:4: live.silence_ms: \"500\" is not allowed, expected a whole number, 50 to 60000",
          "stenod.toml:5: live.vad_threshold: 2 is not allowed, expected a number, 0.01 to 0.99",
          "stenod.toml:6: live.log_text: 1 is not allowed, expected true or false",
          "stenod.toml:7: unknown section [liv]; did you mean live?",
          "stenod.toml:10: log.format: \"xml\" is not allowed, expected one of text, json",
          "stenod.toml:11: unknown setting live.deeper",
          "stenod.toml:14: server.trusted_proxies: a value of this kind is not allowed",
          "stenod.toml:15: server.allowed_origins: 'https://a.example/path' is no origin, expected for instance "
          "https://app.example.com, in lower case and without a path, or *",
          "STENOD_LIVE_MAX_SESSIONS: \"many\" is not allowed, expected a whole number, 0 to 100000",
          "unknown variable STENOD_LIVE_MAX_SESSION; did you mean STENOD_LIVE_MAX_SESSIONS?",
          "--files-timeout-s: -1 is not allowed, expected a whole number, 1 to 604800",
          "unknown option --live-silence; did you mean --live-silence-ms?",
          "--device: this build computes on CPUs only, expected auto or cpu"));
}

TEST_F(SettingsTest, BrokenTomlNamesTheLine) {
  for (const auto& [toml, place] : {std::pair<const char*, const char*>{"[live]\nsilence_ms = \n", "stenod.toml:2: "},
                                    {"[live]\nsilence_ms = 1\nsilence_ms = 2\n", "stenod.toml:3: "},
                                    {"[live]\nx = \"\xFF\"\n", "stenod.toml:2: "},
                                    {"[live\n", "stenod.toml:1: "},
                                    {"x = 99999999999999999999\n", "stenod.toml:1: "}}) {
    EXPECT_THAT(problems(std::string(toml)), ElementsAre(::testing::StartsWith(place))) << toml;
  }
  EXPECT_THAT(problems("a = " + std::string(100000, '[')), ElementsAre(HasSubstr("stenod.toml:1: ")));
  EXPECT_THAT(problems(std::string((1 << 20) + 1, '\n')), ElementsAre(HasSubstr("expected at most")));
}

TEST_F(SettingsTest, ValuesOutOfRangeAreRefused) {
  const std::string wrong = "is not allowed, expected ";
  for (const char* toml :
       {"[live]\nsilence_ms = 49", "[live]\nsilence_ms = 60001", "[live]\nsilence_ms = 500.0",
        "[live]\nsilence_ms = true", "[live]\nsilence_ms = -9223372036854775808", "[live]\nvad_threshold = nan",
        "[live]\nvad_threshold = inf", "[live]\nvad_threshold = 0", "[live]\nvad_threshold = '0.5'",
        "[live]\nlog_text = 'true'", "[log]\nlevel = 3", "[server]\nlisten = 8765",
        "[server]\ntrusted_proxies = '10.0.0.0/8'", "[log]\nformat = ''"}) {
    EXPECT_THAT(problems(std::string(toml)), ElementsAre(HasSubstr(wrong))) << toml;
  }
  for (const char* toml :
       {"[live]\nsilence_ms = 2027-01-31", "[live]\nsilence_ms = {a = 1}", "[live]\nsilence_ms = [1]"}) {
    EXPECT_THAT(problems(std::string(toml)), ElementsAre(HasSubstr("a value of this kind is not allowed"))) << toml;
  }
  EXPECT_THAT(problems("[server]\nlisten = '8765'"), ElementsAre(HasSubstr("is no HOST:PORT")));
  EXPECT_THAT(problems("[server]\ntrusted_proxies = ['x']"), ElementsAre(HasSubstr("is no address or network")));
  EXPECT_THAT(problems("[engine]\nmodel = ''"), ElementsAre(HasSubstr("name of an installed model")));
  EXPECT_THAT(problems("[engine]\nmodel = \"a\\u0000b\""), ElementsAre(HasSubstr("control characters")));
  EXPECT_THAT(problems("[engine]\nmodel = '" + std::string(5000, 'a') + "'"), ElementsAre(HasSubstr("at most 4096")));
  std::string many = "[server]\nallowed_origins = [";
  for (int i = 0; i < 1001; ++i) many += "'*',";
  EXPECT_THAT(problems(many + "]"), ElementsAre(HasSubstr("1001 texts")));
  for (const char* typed : {"", "1e3", "0x10", "500 ", "５００"}) {
    if (*typed == '\0') continue;  // counts as none
    EXPECT_THAT(problems({{{"STENOD_LIVE_SILENCE_MS", typed}}, std::nullopt, {}, {}}), ElementsAre(HasSubstr(wrong)))
        << typed;
  }
}

TEST_F(SettingsTest, SettingsThatContradictEachOtherAreRefused) {
  EXPECT_THAT(problems("[live]\nsilence_ms = 90"),
              ElementsAre(HasSubstr("expected 100 (live.silence_ms_min) to 5000")));
  EXPECT_THAT(problems("[live]\nvad_threshold_max = 0.3"), ElementsAre(HasSubstr("live.vad_threshold_max")));
  EXPECT_THAT(problems("[live]\nmin_speech_ms = 3000"), ElementsAre(HasSubstr("live.min_speech_ms_max")));
  EXPECT_THAT(problems("[live]\npartial_interval_ms = 100"), ElementsAre(HasSubstr("live.partial_interval_ms_min")));
  EXPECT_THAT(problems("[server]\ntls_key = 'k.pem'"), ElementsAre(HasSubstr("tls_certificate and server.tls_key")));
  EXPECT_THAT(problems("[access]\nmax_token_ttl_s = 60"), ElementsAre(HasSubstr("access.max_token_ttl_s")));
}

TEST_F(SettingsTest, ListsAreSeparatedByCommas) {
  const LoadedSettings loaded = load({{{"STENOD_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1"}},
                                      std::nullopt,
                                      {},
                                      {{"--server-allowed-origins", "https://a.example,http://[::1]:3000"}}});
  EXPECT_THAT(loaded.values.server.trusted_proxies, ElementsAre("10.0.0.0/8", "::1"));
  EXPECT_THAT(loaded.values.server.allowed_origins, ElementsAre("https://a.example", "http://[::1]:3000"));
  EXPECT_THAT(load({{}, std::nullopt, {}, {{"--server-allowed-origins", ""}}}).values.server.allowed_origins,
              IsEmpty());
}

TEST_F(SettingsTest, WhatIsPrintedIsASettingsFileWithTheSameSettings) {
  SettingSources sources;
  sources.file =
      write("[server]\ntls_certificate = \"a \\\"b\\\" \\\\ é.pem\"\ntls_key = 'k'\n[live]\nvad_threshold = 0.25\n");
  sources.environment = {{"STENOD_LIVE_LOG_TEXT", "true"}, {"STENOD_SERVER_ALLOWED_ORIGINS", "https://a.example,*"}};
  sources.flags = {{"--live-silence-ms", "800"}};
  const LoadedSettings before = load(sources);
  const std::string printed = print_settings(before);
  EXPECT_THAT(printed, HasSubstr("silence_ms = 800  # --live-silence-ms\n"));
  EXPECT_THAT(printed, HasSubstr("log_text = true  # STENOD_LIVE_LOG_TEXT\n"));
  EXPECT_THAT(printed, HasSubstr("vad_threshold = 0.25  # " + sources.file->string() + ":5\n"));
  EXPECT_THAT(printed, HasSubstr("min_speech_ms = 300  # default\n"));
  const LoadedSettings after = load({{}, write(printed, "printed.toml"), {}, {}});
  for (const Setting& setting : settings_table()) {
    EXPECT_EQ(get_setting(setting, after.values), get_setting(setting, before.values)) << setting.key();
  }
}

TEST_F(SettingsTest, TheDocumentationListsEverySetting) {
  const std::string path = STENOD_SOURCE_DIR "/docs/configuration.md";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_NE(text.str().find(settings_markdown()), std::string::npos) << path << " must hold, between its markers:\n"
                                                                     << settings_markdown();
}

TEST(Closest, FindsTheNearestNameIfAnyIsNear) {
  const std::vector<std::string> names = {"silence_ms", "min_speech_ms", "log_text"};
  EXPECT_EQ(closest("silense_ms", names), "silence_ms");
  EXPECT_EQ(closest("logtext", names), "log_text");
  EXPECT_EQ(closest("colour", names), std::nullopt);
  EXPECT_EQ(closest("", names), std::nullopt);
  EXPECT_EQ(closest(std::string(1000000, 'a'), names), std::nullopt);
}

}  // namespace
}  // namespace stenod::app
