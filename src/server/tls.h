#pragma once

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>

#include "base/result.h"

namespace stenod::server {

/// A context for TLS 1.2 and later with the certificate (PEM, with its chain) and its key. Errors: kTlsBadCertificate,
/// those of reading the files.
Result<std::shared_ptr<boost::asio::ssl::context>> load_tls(const std::filesystem::path& certificate,
                                                            const std::filesystem::path& key);

}  // namespace stenod::server
