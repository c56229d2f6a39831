#include "models/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <span>

#include "base/file.h"
#include "base/sha256.h"
#include "models/catalogue.h"
#include "models/folder_lock.h"
#include "models/pull_record.h"
#include "models/testing/generated_forms.h"
#include "models/testing/generated_model.h"

namespace stenod::models {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/stenod_store_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    store_ = Store(folder_ / "models");
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void write_model(const fs::path& folder) {
    testing::GeneratedModel model;
    model.num_encoder_layers = model.num_decoder_layers = 1;
    model.vocab_size = testing::kMinVocabSize;
    model.type = DataType::kInt8;
    ASSERT_TRUE(write_generated_model(folder, model).ok());
  }

  fs::path folder_;
  Store store_;
};

TEST_F(StoreTest, ListsTheCatalogueAndWhatIsInstalled) {
  auto models = store_.list();
  ASSERT_TRUE(models.ok()) << models.error().message;
  ASSERT_EQ(models->size(), catalogue().size());
  for (const auto& model : *models) EXPECT_FALSE(model.is_installed);
  const auto base = [&]() -> const ModelSummary& {
    return *std::find_if(models->begin(), models->end(), [](const auto& model) { return model.name == "base"; });
  };
  EXPECT_EQ((*models)[0].name, catalogue()[0].name);
  EXPECT_EQ(base().licence, "MIT");
  EXPECT_EQ(base().size, find_in_catalogue("base")->size());
  EXPECT_EQ(base().hub_repository, "Systran/faster-whisper-base");
  EXPECT_GT(base().server_memory, 74'000'000U);

  write_model(store_.folder() / "own");
  fs::create_directories(store_.folder() / "base");
  fs::create_directories(store_.folder() / ".incoming");
  std::ofstream(store_.folder() / "file") << "x";
  models = store_.list();
  ASSERT_TRUE(models.ok()) << models.error().message;
  ASSERT_EQ(models->size(), catalogue().size() + 1);
  EXPECT_TRUE(base().is_installed);
  EXPECT_FALSE(base().is_complete) << "an empty folder";
  EXPECT_EQ(base().size, 0U);
  EXPECT_EQ(models->back().name, "own");
  EXPECT_TRUE(models->back().is_installed && models->back().is_complete);
  EXPECT_GT(models->back().size, 500000U);
}

TEST_F(StoreTest, FindsNamesAndPaths) {
  write_model(store_.folder() / "own");
  write_model(folder_ / "elsewhere");
  EXPECT_EQ(*store_.path("own"), store_.folder() / "own");
  EXPECT_EQ(*store_.path((folder_ / "elsewhere").string()), folder_ / "elsewhere");
  const auto old = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(*store_.path("elsewhere"), "elsewhere");
  fs::create_directories(folder_ / "own");
  EXPECT_EQ(*store_.path("own"), store_.folder() / "own") << "a folder here takes no model's place";
  fs::current_path(old);

  const std::pair<std::string, ErrorCode> cases[] = {
      {"base", ErrorCode::kModelNotInstalled},  {"nonsense", ErrorCode::kModelUnknown},
      {"./nothing", ErrorCode::kNotFound},      {"", ErrorCode::kInvalidArgument},
      {".hidden", ErrorCode::kInvalidArgument}, {"a b", ErrorCode::kInvalidArgument}};
  for (const auto& [name, code] : cases) {
    const auto path = store_.path(name);
    ASSERT_FALSE(path.ok()) << name;
    EXPECT_EQ(error_name(path.error().code), error_name(code)) << name;
  }
  EXPECT_EQ(*store_.path("own/"), store_.folder() / "own");
  EXPECT_THAT(store_.path("base").error().message, HasSubstr("stenod model pull base"));
  EXPECT_THAT(store_.path("nonsense").error().message, Not(HasSubstr("silero")));
  fs::create_directories(store_.folder() / "base");
  EXPECT_EQ(store_.path("base").error().code, ErrorCode::kModelMissingFile);
  EXPECT_THAT(store_.path("base").error().message, HasSubstr("stenod model pull base"));
  EXPECT_EQ(store_.path(folder_.string()).error().code, ErrorCode::kModelMissingFile);
  EXPECT_THAT(store_.path("nonsense").error().message, HasSubstr("stenod model list"));
}

TEST_F(StoreTest, FindsModelsByAliasAndRepository) {
  EXPECT_THAT(store_.path("turbo").error().message, HasSubstr("stenod model pull turbo"));
  write_model(store_.folder() / "large-v3-turbo");
  EXPECT_EQ(*store_.path("turbo"), store_.folder() / "large-v3-turbo");
  EXPECT_EQ(*store_.path("large-v3-turbo"), store_.folder() / "large-v3-turbo");
  write_model(store_.folder() / "turbo");
  EXPECT_EQ(*store_.path("turbo"), store_.folder() / "turbo") << "somebody's own";
  EXPECT_EQ(store_.list()->back().name, "turbo");
  ASSERT_TRUE(store_.remove("turbo").ok());
  ASSERT_TRUE(store_.remove("turbo").ok()) << "the alias";
  EXPECT_FALSE(fs::exists(store_.folder() / "large-v3-turbo"));

  const auto absent = store_.path("owner/mini");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(absent.error().message, HasSubstr("stenod model pull owner/mini"));
  write_model(store_.folder() / "owner--mini");
  EXPECT_EQ(*store_.path("owner/mini"), store_.folder() / "owner--mini");
  EXPECT_EQ(*store_.path("owner--mini"), store_.folder() / "owner--mini");
  EXPECT_TRUE(store_.remove("owner/mini").ok());
  EXPECT_FALSE(fs::exists(store_.folder() / "owner--mini"));
  EXPECT_EQ(store_.remove("../owner").error().code, ErrorCode::kInvalidArgument);
}

TEST_F(StoreTest, RecordsTellWhatFilesShouldBe) {
  const fs::path folder = store_.folder() / "owner--mini";
  write_model(folder);
  const std::string config = *read_file(folder / "config.json", 1 << 20);
  PullRecord record{"https://hub.example/owner/mini",
                    "main",
                    {"owner/mini", std::string(40, 'a'), false, {}},
                    "2026-01-31T12:00:00Z"};
  record.snapshot.files.push_back(
      {"config.json", config.size(), {Checksum::Kind::kSha256, sha256_hex(std::as_bytes(std::span(config)))}});
  record.snapshot.files.push_back(
      {"model.bin", fs::file_size(folder / "model.bin"), {Checksum::Kind::kGitBlob, std::string(40, '0')}});
  ASSERT_TRUE(write_pull_record(folder, record).ok());
  auto info = store_.info("owner/mini");
  ASSERT_TRUE(info.ok()) << info.error().message;
  ASSERT_TRUE(info->record.has_value());
  EXPECT_EQ(info->record->url, record.url);
  EXPECT_EQ(info->record->revision, "main");
  EXPECT_EQ(info->record->time, record.time);
  EXPECT_EQ(info->record->snapshot.commit, record.snapshot.commit);
  EXPECT_EQ(info->record->snapshot.files, record.snapshot.files);
  std::map<std::string, std::optional<bool>> as_published;
  for (const auto& file : info->files) as_published[file.name] = file.is_as_published;
  EXPECT_EQ(as_published.at("config.json"), true);
  EXPECT_EQ(as_published.at("model.bin"), false) << "the checksum is another one";
  EXPECT_EQ(as_published.at(std::string(kPullRecordFile)), std::nullopt);
  EXPECT_TRUE(store_.list()->back().is_complete);
  fs::resize_file(folder / "model.bin", 5);
  EXPECT_FALSE(store_.list()->back().is_complete);
  // What can't be read is no record.
  for (const char* text : {"", "{}", "[]", R"({"files": [{"name": "../x", "size": 1, "sha256": "0"}]})",
                           R"({"files": [{"name": "x", "size": -1}]})", R"({"files": []})", R"({"files": [3]})"}) {
    std::ofstream(folder / kPullRecordFile) << text;
    EXPECT_FALSE(read_pull_record(folder)) << text;
  }
  EXPECT_TRUE(store_.list()->back().is_complete) << "holds weights";
}

TEST_F(StoreTest, CompleteModelsHaveTheSizesOfTheCatalogue) {
  const auto is_complete = [&] { return store_.list()->back().is_complete; };
  const CatalogueEntry* entry = find_in_catalogue(kVadModelName);
  fs::create_directories(store_.folder() / kVadModelName);
  const fs::path file = store_.folder() / kVadModelName / kVadModelFile;
  std::ofstream(file) << "x";
  EXPECT_FALSE(is_complete());
  fs::resize_file(file, entry->size());
  EXPECT_TRUE(is_complete());
}

TEST_F(StoreTest, AFileInPlaceOfTheFolderIsAnError) {
  std::ofstream(folder_ / "models") << "x";
  const Error errors[] = {store_.list().error(), store_.path("base").error(), store_.remove("base").error(),
                          FolderLock::acquire(store_.folder(), "base").error()};
  for (const Error& error : errors) {
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr("STENOD_MODEL_DIR"));
  }
}

TEST_F(StoreTest, DescribesAModel) {
  write_model(store_.folder() / "base");
  const auto info = store_.info("base");
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(info->summary.licence, "MIT");
  EXPECT_THAT(info->source, HasSubstr("Systran/faster-whisper-base"));
  ASSERT_TRUE(info->dims.has_value());
  EXPECT_EQ(info->dims->d_model, 64);
  EXPECT_EQ(info->type, DataType::kInt8);
  ASSERT_EQ(info->files.size(), 4U);
  for (const auto& file : info->files) {
    EXPECT_EQ(file.sha256.size(), 64U);
    EXPECT_EQ(file.is_as_published, false) << file.name;
  }

  write_model(folder_ / "elsewhere");
  const auto other = store_.info((folder_ / "elsewhere").string());
  ASSERT_TRUE(other.ok()) << other.error().message;
  EXPECT_EQ(other->source, "");
  EXPECT_EQ(other->files[0].is_as_published, std::nullopt);

  fs::create_directories(store_.folder() / "silero-vad");
  std::ofstream(store_.folder() / "silero-vad" / kVadModelFile) << "x";
  const auto vad = store_.info("silero-vad");
  ASSERT_TRUE(vad.ok()) << vad.error().message;
  EXPECT_FALSE(vad->dims.has_value());

  fs::remove(folder_ / "elsewhere/model.bin");
  EXPECT_EQ(store_.info((folder_ / "elsewhere").string()).error().code, ErrorCode::kModelMissingFile);
  EXPECT_EQ(store_.info("tiny.en").error().code, ErrorCode::kModelNotInstalled);
}

TEST_F(StoreTest, KnowsModelsOfOtherForms) {
  testing::GeneratedModel model;
  model.num_encoder_layers = model.num_decoder_layers = 1;
  model.vocab_size = testing::kMinVocabSize;
  ASSERT_TRUE(write_generated_huggingface(store_.folder() / "own-hf", model).ok());
  EXPECT_EQ(*store_.path("own-hf"), store_.folder() / "own-hf");
  EXPECT_TRUE(store_.list()->back().is_complete);
  const auto hugging_face = store_.info("own-hf");
  ASSERT_TRUE(hugging_face.ok()) << hugging_face.error().message;
  EXPECT_EQ(hugging_face->form, WhisperForm::kHuggingFace);
  EXPECT_EQ(hugging_face->type, DataType::kFloat32);
  EXPECT_TRUE(store_.remove("own-hf").ok());

  model.type = DataType::kQ5_1;
  const fs::path file = folder_ / "ggml-own.bin";
  ASSERT_TRUE(write_generated_ggml(file, model).ok());
  EXPECT_EQ(*store_.path(file.string()), file);
  const auto ggml = store_.info(file.string());
  ASSERT_TRUE(ggml.ok()) << ggml.error().message;
  EXPECT_EQ(ggml->form, WhisperForm::kGgml);
  EXPECT_EQ(ggml->type, DataType::kQ5_1);
  EXPECT_EQ(ggml->path, file);
  ASSERT_EQ(ggml->files.size(), 1U);
  EXPECT_EQ(ggml->files[0].name, "ggml-own.bin");
  EXPECT_EQ(ggml->summary.size, fs::file_size(file));
  const auto old = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(*store_.path("ggml-own.bin"), "ggml-own.bin") << "an existing file is a path";
  fs::current_path(old);
}

TEST_F(StoreTest, RemovesModels) {
  write_model(store_.folder() / "own");
  fs::create_directories(store_.folder() / ".incoming/tiny.en");
  EXPECT_EQ(store_.remove("base").error().code, ErrorCode::kModelNotInstalled);
  EXPECT_EQ(store_.remove("nonsense").error().code, ErrorCode::kModelUnknown);
  for (const char* name : {"..", "../elsewhere", "own/", "", "."}) {
    EXPECT_EQ(store_.remove(name).error().code, ErrorCode::kInvalidArgument) << name;
  }
  {
    const auto lock = FolderLock::acquire(store_.folder(), "own");
    EXPECT_EQ(store_.remove("own").error().code, ErrorCode::kModelBusy);
  }
  fs::create_directories(store_.folder() / "notes");
  std::ofstream(store_.folder() / "notes" / "model.txt") << "x";
  EXPECT_EQ(store_.remove("notes").error().code, ErrorCode::kModelMissingFile);
  EXPECT_TRUE(fs::exists(store_.folder() / "notes" / "model.txt"));
  fs::create_directories(store_.folder() / "base");
  std::ofstream(store_.folder() / "base" / "vocabulary.txt") << "what a damaged model may have left";
  EXPECT_TRUE(store_.remove("base").ok());
  EXPECT_TRUE(store_.remove("own").ok());
  EXPECT_FALSE(fs::exists(store_.folder() / "own"));
  EXPECT_TRUE(store_.remove("tiny.en").ok());
  EXPECT_FALSE(fs::exists(store_.folder() / ".incoming/tiny.en"));
}

TEST_F(StoreTest, RemovingALinkLeavesWhatItPointsTo) {
  write_model(folder_ / "elsewhere");
  fs::create_directories(store_.folder());
  fs::create_directory_symlink(folder_ / "elsewhere", store_.folder() / "linked");
  EXPECT_TRUE(store_.remove("linked").ok());
  EXPECT_FALSE(fs::exists(store_.folder() / "linked"));
  EXPECT_TRUE(fs::exists(folder_ / "elsewhere/model.bin"));
}

}  // namespace
}  // namespace stenod::models
