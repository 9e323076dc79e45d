# shellcheck shell=bash
# Kafka's jars, ZooKeeper's among them where that Kafka has it, fetched once into the cache.
# To be sourced after prerequisites.sh.

kafka_jars() { # VERSION: prints the folder
  local version=$1 jars=${cache:?}/jars-$1
  if [[ ! -d $jars ]]; then
    need_maven
    mkdir -p "$cache"
    (
      flock 9
      [[ -d $jars ]] || fetch_jars "$version" "$jars"
    ) 9>"$jars.lock" || exit 1
  fi
  printf '%s\n' "$jars"
}

fetch_jars() { # VERSION FOLDER: the folder appears whole or not at all
  local version=$1 jars=$2 partial=$2.partial
  say "fetching Kafka $version (once)…"
  rm -rf "$partial"
  mkdir -p "$partial/libs"
  write_pom "$version" >"$partial/pom.xml"
  mvn -q -B -f "$partial/pom.xml" dependency:copy-dependencies -DoutputDirectory="$partial/libs" \
    </dev/null >"$partial/maven.log" 2>&1 || {
    tail -n 15 "$partial/maven.log" >&2
    fail "could not fetch Kafka $version"
  }
  mv "$partial/libs" "$jars"
  rm -rf "$partial"
}

write_pom() { # VERSION
  cat <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kafkavisor</groupId>
  <artifactId>test-cluster</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>$1</version>
    </dependency>
XML
  # 3.9 brings its binding of slf4j along; Kafka 4 leaves it to its distribution, and would be silent without.
  [[ $1 == 3.* ]] || cat <<XML
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.4</version>
    </dependency>
XML
  cat <<XML
  </dependencies>
</project>
XML
}
