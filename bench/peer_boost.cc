// SPDX-License-Identifier: MIT
// Boost.Interprocess message_queue, as its documentation uses it.
#include <boost/interprocess/ipc/message_queue.hpp>

#include <string>
#include <unistd.h>

namespace bi = boost::interprocess;

namespace {
std::string name()
{
	static std::string const n = "covey-bench-" + std::to_string(getpid());
	return n;
}
}

extern "C" void *boost_queue(size_t size, size_t depth)
{
	try {
		bi::message_queue::remove(name().c_str());
		auto *queue = new bi::message_queue(bi::create_only, name().c_str(), depth, size);
		// The mapping stays; the name need not, even where the run is cut short.
		bi::message_queue::remove(name().c_str());
		return queue;
	} catch (...) {
		return nullptr;
	}
}

extern "C" void boost_put(void *queue, const void *data, size_t size)
{
	static_cast<bi::message_queue *>(queue)->send(data, size, 0);
}

extern "C" void boost_get(void *queue, void *data, size_t size)
{
	bi::message_queue::size_type got;
	unsigned priority;
	static_cast<bi::message_queue *>(queue)->receive(data, size, got, priority);
}

extern "C" void boost_end(void *queue)
{
	delete static_cast<bi::message_queue *>(queue);
}
