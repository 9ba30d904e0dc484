// SPDX-License-Identifier: MIT
// Boost.Interprocess message_queue, as its documentation uses it.
#include "bench.h"

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>

#include <cstdio>

namespace bi = boost::interprocess;

static void *open_queue(const plan *plan, int way)
{
	const char *name = bench_name(way, 0);

	bi::message_queue::remove(name);
	auto *queue = new bi::message_queue(bi::create_only, name, plan->depth, plan->size);
	// The mapping stays; the name need not, even where the run is cut short.
	bi::message_queue::remove(name);
	return queue;
}

static void put(void *channel, const void *data, size_t size)
{
	static_cast<bi::message_queue *>(channel)->send(data, size, 0);
}

static void get(void *channel, void *data, size_t size)
{
	bi::message_queue::size_type got;
	unsigned priority;

	static_cast<bi::message_queue *>(channel)->receive(data, size, got, priority);
}

static void version()
{
	std::printf("Boost.Interprocess %d.%d\n", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000);
}

static struct peer describe()
{
	struct peer p = {};

	p.version = version;
	p.channels[0] = {"message_queue", 0, open_queue, nullptr, put, get};
	return p;
}

extern "C" const struct peer peer = describe();

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
