#!/bin/sh
# Lints the wire contract and finds changes that break it. Says by name what it could not check.
# usage: tools/buf.sh DIR    where to install buf from npm when it is not on the path
set -eu

dir=$1
version=1.75.0
buf=$(command -v buf || echo "$dir/node_modules/.bin/buf")
if [ ! -x "$buf" ]; then
    if ! command -v npm >/dev/null; then
        echo "skip: buf lint, format and breaking (neither buf nor npm is installed)"
        exit 0
    fi
    echo "installing buf $version into $dir"
    npm install --prefix "$dir" --no-save --no-audit --no-fund --loglevel=error "@bufbuild/buf@$version"
fi

"$buf" lint
"$buf" format --diff --exit-code
echo "buf lint and format: passed"

tag=$(git describe --tags --abbrev=0 2>/dev/null || true)
if [ -z "$tag" ]; then
    echo "skip: buf breaking (no tag to compare with)"
    exit 0
fi
"$buf" breaking --against "$(git rev-parse --git-common-dir)#format=git,tag=$tag"
echo "buf breaking against $tag: passed"
