#include "models/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "models/folder_lock.h"
#include "models/hub.h"

namespace stenod::models {
namespace {

TEST(Catalogue, IsConsistent) {
  std::set<std::string> names;
  for (const auto& entry : catalogue()) {
    EXPECT_TRUE(check_model_name(entry.name).ok());
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(find_in_catalogue(entry.name), &entry);
    for (const auto& alias : entry.aliases) {
      EXPECT_TRUE(names.insert(alias).second) << alias;
      EXPECT_EQ(find_in_catalogue(alias), &entry);
    }
    EXPECT_FALSE(entry.licence.empty());
    EXPECT_FALSE(entry.hint.empty());
    EXPECT_LE(entry.hint.size(), 23U) << "or lists are wider than a terminal";
    EXPECT_GT(entry.size(), 0U);
    EXPECT_TRUE(entry.hub_repository.empty() || HubReference::parse(entry.hub_repository).ok()) << entry.name;
    EXPECT_TRUE(!entry.files.empty() || !entry.hub_repository.empty());
    for (const auto& file : entry.files) {
      EXPECT_TRUE(check_model_name(file.name).ok()) << file.name;
      EXPECT_TRUE(is_well_formed({Checksum::Kind::kSha256, file.sha256})) << file.name;
      EXPECT_GT(file.size, 0U);
      EXPECT_FALSE(file.parts.empty());
      for (const auto& part : file.parts) EXPECT_LT(part.package_index, entry.packages.size());
    }
  }
  EXPECT_EQ(find_in_catalogue("nonsense"), nullptr);
  ASSERT_NE(find_in_catalogue(kVadModelName), nullptr);
  EXPECT_EQ(find_in_catalogue(kVadModelName)->files[0].name, kVadModelFile);
}

TEST(Catalogue, KnowsWhatFasterWhisperKnows) {
  // _MODELS of faster_whisper/utils.py, version 1.2.1.
  const std::pair<std::string, std::string> models[] = {
      {"tiny.en", "Systran/faster-whisper-tiny.en"},
      {"tiny", "Systran/faster-whisper-tiny"},
      {"base.en", "Systran/faster-whisper-base.en"},
      {"base", "Systran/faster-whisper-base"},
      {"small.en", "Systran/faster-whisper-small.en"},
      {"small", "Systran/faster-whisper-small"},
      {"medium.en", "Systran/faster-whisper-medium.en"},
      {"medium", "Systran/faster-whisper-medium"},
      {"large-v1", "Systran/faster-whisper-large-v1"},
      {"large-v2", "Systran/faster-whisper-large-v2"},
      {"large-v3", "Systran/faster-whisper-large-v3"},
      {"large", "Systran/faster-whisper-large-v3"},
      {"distil-large-v2", "Systran/faster-distil-whisper-large-v2"},
      {"distil-medium.en", "Systran/faster-distil-whisper-medium.en"},
      {"distil-small.en", "Systran/faster-distil-whisper-small.en"},
      {"distil-large-v3", "Systran/faster-distil-whisper-large-v3"},
      {"distil-large-v3.5", "distil-whisper/distil-large-v3.5-ct2"},
      {"large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"},
      {"turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"},
  };
  for (const auto& [name, repository] : models) {
    const CatalogueEntry* const entry = find_in_catalogue(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->hub_repository, repository);
  }
}

TEST(Catalogue, SizesFollowFromDimensions) {
  // The files of these two are known: their weights are all but some kilobytes of names and shapes.
  for (const char* name : {"base", "tiny.en"}) {
    CatalogueEntry entry = *find_in_catalogue(name);
    const std::uint64_t weights_size = entry.files[0].size;
    entry.files.clear();
    EXPECT_LT(entry.size(), weights_size);
    EXPECT_GT(entry.size(), weights_size - 20'000) << name;
  }
  // Parameters in millions as published by OpenAI and Distil-Whisper, which round and count differently.
  const std::pair<const char*, double> published[] = {{"tiny", 39},
                                                      {"base", 74},
                                                      {"small", 244},
                                                      {"medium", 769},
                                                      {"large-v1", 1550},
                                                      {"turbo", 809},
                                                      {"large-v3", 1550},
                                                      {"distil-small.en", 166},
                                                      {"distil-medium.en", 394},
                                                      {"distil-large-v3", 756}};
  for (const auto& [name, millions] : published) {
    CatalogueEntry entry = *find_in_catalogue(name);
    entry.files.clear();
    EXPECT_NEAR(static_cast<double>(entry.size()) / 2e6, millions, 0.035 * millions) << name;
  }
}

TEST(Catalogue, MemoryGrowsWithSlots) {
  const WhisperDims dims = *find_in_catalogue("large-v3-turbo")->dims;
  // A slot: 4 layers of keys and values, of 1500 frames in 8 bits with a scale for each 64, of 448 positions in
  // float16; alignment queries, logits.
  const std::uint64_t slot =
      4 * 2 * 1280 * (1500 + 448 * 2) + 4 * 2 * 20 * 1500 * 4 + 16 * 448 * 64 * 4 + 5 * 51866 * 4;
  EXPECT_EQ(server_memory(dims, 32) - server_memory(dims, 16), 16 * slot);
  EXPECT_GT(server_memory(dims, 1), 809'000'000U) << "a byte a parameter";
  EXPECT_LT(server_memory(dims, 1), 1'200'000'000U);
}

}  // namespace
}  // namespace stenod::models
