#include "models/wheel.h"

#include <fmt/format.h>
#include <zip.h>

#include <array>
#include <utility>

#include "base/file.h"

namespace stenod::models {

struct Wheel::State {
  zip_t* zip = nullptr;
  std::filesystem::path path;

  ~State() {
    if (zip != nullptr) zip_discard(zip);
  }
  Error bad(const std::string& what) const {
    return {ErrorCode::kModelBadArchive, fmt::format("{}: {}", path.string(), what), path.string()};
  }
};

Wheel::Wheel(std::unique_ptr<State> state) : state_(std::move(state)) {}
Wheel::Wheel(Wheel&&) noexcept = default;
Wheel& Wheel::operator=(Wheel&&) noexcept = default;
Wheel::~Wheel() = default;

Result<Wheel> Wheel::open(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  int code = 0;
  state->zip = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (state->zip == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    const int system_error = zip_error_system_type(&error) == ZIP_ET_SYS ? zip_error_code_system(&error) : 0;
    zip_error_fini(&error);
    if (code == ZIP_ER_NOENT) return file_error("cannot open", path, ENOENT);
    if (system_error != 0) return file_error("cannot open", path, system_error);
    return state->bad(fmt::format("not a zip file: {}", reason));
  }
  return Wheel(std::move(state));
}

Status Wheel::extract(const std::string& name, std::uint64_t max_bytes,
                      const std::function<Status(std::span<const std::byte>)>& sink) {
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> file(zip_fopen(state_->zip, name.c_str(), 0), zip_fclose);
  if (!file) return state_->bad(fmt::format("{}: {}", name, zip_strerror(state_->zip)));
  std::array<std::byte, 1 << 16> buffer;
  std::uint64_t size = 0;
  for (;;) {
    const zip_int64_t n = zip_fread(file.get(), buffer.data(), buffer.size());
    if (n < 0) return state_->bad(fmt::format("{}: {}", name, zip_file_strerror(file.get())));
    if (n == 0) return {};
    size += static_cast<std::uint64_t>(n);
    if (size > max_bytes) return state_->bad(fmt::format("{} is larger than {} bytes", name, max_bytes));
    STENOD_RETURN_IF_ERROR(sink(std::span(buffer).first(static_cast<std::size_t>(n))));
  }
}

}  // namespace stenod::models
