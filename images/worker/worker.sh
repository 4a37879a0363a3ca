#!/bin/sh
# What lemctl starts for each engine key; LEM_BACKEND says which engine. -P: no module comes from the current folder.
exec python3 -P -m lem_worker "$@"
