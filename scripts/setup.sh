# shellcheck shell=bash
# What scripts/stenod and scripts/test share: messages, packages, builds. To be sourced, with $root set to the
# repository's folder. Messages go to standard error; what the tools print goes to files under build/log.

: "${root:?}"

say() { printf 'stenod: %s\n' "$*" >&2; }

# run_logged NAME HINT COMMAND…: runs the command with its output in build/log/NAME.log. When it fails, shows the end of
# that file and what to do, and returns the command's status.
run_logged() {
  local name=$1 hint=$2 log=$root/build/log/$1.log status=0
  shift 2
  mkdir -p "$root/build/log"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status != 0)); then
    say "'$name' failed (exit status $status); the end of $log:"
    tail -n 25 "$log" | sed 's/^/    /' >&2
    say "$hint"
  fi
  return "$status"
}

# missing_packages GROUP…: the packages of these groups in packages.txt that are not installed.
missing_packages() {
  local wanted installed
  wanted=$(awk -v groups=" $* " '!/^#/ && NF && index(groups, " " $1 " ") { print $2 }' "$root/scripts/packages.txt" | sort -u)
  # dpkg-query fails when it knows nothing of one of them, which is an answer and no error.
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
    awk '$1 == "installed" { print $2 }' | sort -u || true)
  comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

# install_packages GROUP…: installs what is missing, as root or through sudo.
install_packages() {
  local missing=() as_root=()
  if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian: make sure that what scripts/packages.txt lists is installed"
    return 0
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} > 0)) || return 0
  if ((EUID != 0)); then
    # With a terminal sudo may ask for a password; without one it must not need it.
    if command -v sudo >/dev/null && { [[ -t 0 && -t 2 ]] || sudo -n true 2>/dev/null; }; then
      as_root=(sudo)
      "${as_root[@]}" true
    else
      say "these packages are missing and only root can install them:"
      say "    apt-get install --no-install-recommends ${missing[*]}"
      return 1
    fi
  fi
  say "installing ${#missing[@]} Debian packages (log: build/log/packages.log)"
  run_logged packages "Run 'apt-get install --no-install-recommends ${missing[*]}' by hand to see more; stenod is built for Debian 12." \
    "${as_root[@]}" sh -c '
      export DEBIAN_FRONTEND=noninteractive
      apt-get -o DPkg::Lock::Timeout=600 update &&
      apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"' sh "${missing[@]}"
}

# How many compilers to run at once: one a core, but no more than one for each 1.5 GB of free memory.
build_jobs() {
  local cores memory_kb jobs
  cores=$(nproc)
  memory_kb=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
  jobs=$((memory_kb / 1500000))
  ((jobs >= 1)) || jobs=1
  echo $((jobs < cores ? jobs : cores))
}

# build_preset PRESET [TARGET…]: configures and builds.
build_preset() {
  local preset=$1
  shift
  # Presets are read from the folder that cmake is started in.
  (cd "$root" &&
    run_logged "configure-$preset" "Is every package of scripts/packages.txt installed? If build/$preset stems from another machine, delete it." \
      cmake --preset "$preset" &&
    run_logged "build-$preset" "Run 'cmake --build --preset $preset' to see all of it." \
      cmake --build --preset "$preset" --parallel "$(build_jobs)" ${1:+--target "$@"})
}

# Holds the build folder for this process until it ends or runs another program; waits for whoever has it.
lock_build() {
  mkdir -p "$root/build"
  exec {build_lock}>"$root/build/.lock"
  if ! flock --nonblock "$build_lock"; then
    say "another set-up is running here; waiting for it"
    flock "$build_lock"
  fi
}
unlock_build() { exec {build_lock}>&-; }

# Whether build/release/stenod is as new as its sources. Folders count as well, so that a deleted file shows.
release_is_current() {
  [[ -x $root/build/release/stenod && -e $root/build/release/.current ]] &&
    [[ -z $(find "$root/src" "$root/cmake" "$root/CMakeLists.txt" "$root/CMakePresets.json" "$root/scripts/packages.txt" \
      -newer "$root/build/release/.current" -print -quit) ]]
}

# Installs the packages for building and builds what users run.
build_release() {
  if ! mkdir -p "$root/build/release" 2>/dev/null || [[ ! -w $root/build/release ]]; then
    say "the program must be built, but $root/build/release is not writable for you: run this once as the owner of $root"
    return 1
  fi
  lock_build
  if ! release_is_current; then
    install_packages build
    # Dated before the build, so that what is edited meanwhile is built the next time.
    touch "$root/build/release/.building"
    say "building the program; some minutes the first time (log: build/log/build-release.log)"
    build_preset release stenod
    mv "$root/build/release/.building" "$root/build/release/.current"
  fi
  unlock_build
}

# Where the program keeps models (src/base/paths.cc), as an absolute path.
model_dir() {
  local data_home=${XDG_DATA_HOME:-} folder
  [[ $data_home == /* ]] || data_home=${HOME:-/tmp}/.local/share
  folder=${STENOD_MODEL_DIR:-$data_home/stenod/models}
  [[ $folder == /* ]] || folder=$PWD/$folder
  echo "$folder"
}

# model_path NAME: where a downloaded model lies; fails when it isn't there. Asked from the root folder, since the
# program takes the name of a model that is not installed for a path where a folder of that name exists.
model_path() {
  local path
  path=$(export STENOD_MODEL_DIR && STENOD_MODEL_DIR=$(model_dir) && cd / &&
    "$root/build/release/stenod" model path "$1" 2>/dev/null) && [[ -e $path ]] && echo "$path"
}

# pull_models NAME…: downloads models that are not there, once, also when started twice at the same time.
pull_models() {
  local folder name model_lock
  folder=$(model_dir)
  mkdir -p "$folder"
  exec {model_lock}>"$folder/.lock"
  flock "$model_lock"
  for name in "$@"; do
    model_path "$name" >/dev/null && continue
    say "downloading the model $name to $folder"
    if ! "$root/build/release/stenod" model pull "$name" >&2 </dev/null; then
      say "the model $name could not be downloaded; call again to go on where it stopped"
      return 1
    fi
  done
  exec {model_lock}>&-
}
