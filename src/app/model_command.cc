#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/console.h"
#include "app/progress.h"
#include "base/json.h"
#include "models/catalogue.h"
#include "models/pull.h"
#include "models/pull_record.h"
#include "models/store.h"
#include "models/data_type.h"

namespace stenod::app {
namespace {

std::string megabytes(std::uint64_t bytes) { return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6); }

/// Short enough for a column: "78 MB", "1.5 GB".
std::string rounded(std::uint64_t bytes) {
  if (bytes == 0) return "";
  const double megabytes = static_cast<double>(bytes) / 1e6;
  if (megabytes >= 999.5) return fmt::format("{:.1f} GB", megabytes / 1000);
  return megabytes >= 10 ? fmt::format("{:.0f} MB", megabytes) : fmt::format("{:.1f} MB", megabytes);
}

const char* state_of(const models::ModelSummary& model) {
  if (!model.is_installed) return "not installed";
  return model.is_complete ? "installed" : "damaged";
}

/// Every line fits a terminal of 80 columns.
std::string list_text(const std::vector<models::ModelSummary>& found) {
  std::string out = fmt::format("{:<17}  {:<9}  {:>7}  {:>7}  {:<7}  {}\n", "NAME", "STATE", "SIZE", "MEMORY",
                                "LICENCE", "CHOOSE IT FOR");
  for (const bool installed : {true, false}) {
    for (const models::ModelSummary& model : found) {
      if (model.is_installed != installed) continue;
      std::string line =
          fmt::format("{:<17}  {:<9}  {:>7}  {:>7}  {:<7}  {}", model.name, installed ? state_of(model) : "",
                      rounded(model.size), rounded(model.server_memory), model.licence, model.hint);
      line.resize(line.find_last_not_of(' ') + 1);
      out += line + '\n';
    }
  }
  return out;
}

std::string list_json(const std::vector<models::ModelSummary>& found) {
  json::array out;
  for (const models::ModelSummary& model : found) {
    json::object object{
        {"name", model.name},       {"state", state_of(model)},
        {"size_bytes", model.size}, {"memory_bytes", nullptr},
        {"licence", model.licence}, {"description", model.description},
        {"hint", model.hint},       {"aliases", json::array(model.aliases.begin(), model.aliases.end())},
        {"hub_repository", nullptr}};
    if (model.server_memory != 0) object["memory_bytes"] = model.server_memory;
    if (!model.hub_repository.empty()) object["hub_repository"] = model.hub_repository;
    out.push_back(std::move(object));
  }
  return json::serialize(out) + '\n';
}

Result<std::string> list(const models::Store& store, bool as_json) {
  STENOD_ASSIGN_OR_RETURN(const auto found, store.list());
  return as_json ? list_json(found) : list_text(found);
}

Result<std::string> info(const models::Store& store, const std::string& name) {
  STENOD_ASSIGN_OR_RETURN(const models::ModelInfo model, store.info(name));
  std::string out = fmt::format("{}\n  {}: {}\n", model.summary.name,
                                model.form == models::WhisperForm::kGgml ? "file" : "folder", model.path.string());
  if (!model.summary.description.empty()) out += fmt::format("  what: {}\n", model.summary.description);
  if (!model.summary.licence.empty()) out += fmt::format("  licence: {}\n", model.summary.licence);
  if (!model.source.empty()) out += fmt::format("  source: {}\n", model.source);
  if (model.form) out += fmt::format("  format: {}\n", models::whisper_form_name(*model.form));
  if (model.record) {
    out += fmt::format("  pulled: {} at {}, {}; checksums as the hub gave them, not pinned by stenod\n",
                       model.record->url, model.record->snapshot.commit, model.record->time);
  }
  if (model.dims) {
    const models::WhisperDims& dims = *model.dims;
    out += fmt::format("  architecture: width {}, {} encoder and {} decoder layers, {} mel bins, {} tokens, {}{}\n",
                       dims.d_model, dims.num_encoder_layers, dims.num_decoder_layers, dims.num_mels, dims.vocab_size,
                       dims.multilingual() ? "multilingual" : "English only",
                       model.type ? fmt::format(", {}", models::data_type_name(*model.type)) : "");
  }
  if (model.dims) {
    out += fmt::format("  memory: about {} in int8 with 16 slots\n", rounded(models::server_memory(*model.dims)));
  }
  out += fmt::format("  size: {}\n  files:\n", megabytes(model.summary.size));
  for (const models::ModelFileInfo& file : model.files) {
    out += fmt::format("    {}  {}  sha256 {}{}\n", file.name, megabytes(file.size), file.sha256,
                       !file.is_as_published   ? ""
                       : *file.is_as_published ? "  as published"
                                               : "  NOT AS PUBLISHED");
  }
  return out;
}

Result<std::string> path(const models::Store& store, const std::string& name) {
  STENOD_ASSIGN_OR_RETURN(const auto folder, store.path(name));
  return folder.string() + '\n';
}

Result<std::string> pull(Console& console, const std::string& name, const std::stop_token& stop) {
  const auto on_progress = [&](const models::PullProgress& progress) {
    console.show_progress([&](int width) {
      return render_download_status({name, progress.bytes_done, progress.bytes_total, progress.bytes_per_second},
                                    width);
    });
  };
  STENOD_ASSIGN_OR_RETURN(const auto folder, models::pull(name, on_progress, stop));
  if (const auto record = models::read_pull_record(folder)) {
    console.note(fmt::format("{}: {} at {}; checksums as the hub gave them; not pinned by stenod", name, record->url,
                             record->snapshot.commit));
  }
  return fmt::format("{}: {}\n", name, folder.string());
}

Result<std::string> remove(const models::Store& store, const std::string& name) {
  STENOD_RETURN_IF_ERROR(store.remove(name));
  return std::string();
}

}  // namespace

int run(const ModelCommand& command, Interrupt& interrupt) {
  Console console(command.quiet);
  const models::Store store;
  const auto act = [&](const std::string& name) -> Result<std::string> {
    switch (command.action) {
      case ModelAction::kPull:
        return pull(console, name, interrupt.token());
      case ModelAction::kList:
        break;
      case ModelAction::kInfo:
        return info(store, name);
      case ModelAction::kPath:
        return path(store, name);
      case ModelAction::kRemove:
        return remove(store, name);
    }
    return list(store, command.json);
  };
  int status = kSuccess;
  std::vector<std::string> names = command.names;
  if (command.action == ModelAction::kList) names = {""};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto result = act(names[i]);
    const Status written = result ? console.write_result(*result) : Status(result.error());
    if (interrupt.signal() != 0) return signal_status(interrupt.signal());
    if (!written) {
      console.error(written.error());
      status = kFailure;
    }
    // No model transcribes without this one.
    const bool is_last = i + 1 == names.size();
    if (command.action == ModelAction::kPull && is_last && status == kSuccess && !store.path(models::kVadModelName)) {
      names.emplace_back(models::kVadModelName);
    }
  }
  return status;
}

}  // namespace stenod::app
