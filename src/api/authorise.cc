#include "api/authorise.h"

#include <utility>

namespace stenod::api {

Status authorise(access::Access& access, HttpRequest& request, Route::Access needed, std::string_view credential) {
  request.principal = {};
  if (needed == Route::Access::kPublic) return {};
  STENOD_ASSIGN_OR_RETURN(access::Principal principal, access.authenticate(credential, request.client_address));
  if (needed == Route::Access::kAdmin && !principal.is_admin) {
    return Error{ErrorCode::kForbidden, "this takes an operator's key, created with: stenod key create NAME --admin"};
  }
  request.principal = std::move(principal);
  return {};
}

}  // namespace stenod::api
