// SPDX-License-Identifier: MIT

//! Lines of 4800 to 19200 baud.

use super::*;

/// A line that carries so many bytes a second, each way, and keeps what it cannot carry yet.
struct Slow {
    to: Sender<Vec<u8>>,
    from: Receiver<Vec<u8>>,
    rate: f64,
    /// What comes, and when all of it is here.
    coming: VecDeque<(Instant, Vec<u8>)>,
    free: Instant,
    sent: u64,
    total: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Slow {
    fn pair(rate: f64) -> (Self, Self, std::sync::Arc<std::sync::atomic::AtomicU64>) {
        let (to_receiver, at_receiver) = channel();
        let (to_sender, at_sender) = channel();
        let end = |to, from| Self {
            to,
            from,
            rate,
            coming: VecDeque::new(),
            free: Instant::now(),
            sent: 0,
            total: std::sync::Arc::default(),
        };
        let sender = end(to_receiver, at_sender);
        let total = std::sync::Arc::clone(&sender.total);
        (sender, end(to_sender, at_receiver), total)
    }
}

impl Link for Slow {
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let line = frame.encode().into_bytes();
        self.sent += line.len() as u64;
        self.total
            .store(self.sent, std::sync::atomic::Ordering::Relaxed);
        let _ = self.to.send(line);
        Ok(())
    }

    fn receive(&mut self, patience: Duration) -> io::Result<Option<Frame>> {
        let end = Instant::now() + patience;
        loop {
            let now = Instant::now();
            if let Some((at, _)) = self.coming.front()
                && *at <= now
            {
                let line = self.coming.pop_front().map(|(_, line)| line);
                return Ok(line.and_then(|line| Frame::decode(&line)));
            }
            let next = self.coming.front().map_or(end, |(at, _)| end.min(*at));
            let left = next.saturating_duration_since(now);
            match self.from.recv_timeout(left) {
                Ok(line) => {
                    let took = Duration::from_secs_f64(line.len() as f64 / self.rate);
                    self.free = self.free.max(Instant::now()) + took;
                    self.coming.push_back((self.free, line));
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= end => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.coming.is_empty() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                // What is on its way arrives.
                Err(RecvTimeoutError::Disconnected) => thread::park_timeout(left),
            }
        }
    }
}

/// At each speed a block takes longer than the time after which something used to be sent again: the
/// bytes are those of the ideal, and a few questions.
#[test]
fn a_slow_line_carries_every_block_once() {
    let patience = Patience {
        again: Duration::from_millis(250),
        ..PATIENCE
    };
    for rate in [4_000.0, 20_000.0] {
        let (sender, receiver, total) = Slow::pair(rate);
        let mut store = Store::default();
        let (sent, count) = play((sender, receiver), 40, &mut store, patience);
        check(&store, 40);
        assert_eq!(sent, Ok(Verdict::of(40, None)));
        assert_eq!(count, 40, "at {rate} bytes a second");
        let ideal: usize = (0..40)
            .map(|number| {
                let frame = Frame {
                    kind: Kind::Data,
                    number,
                    payload: content(number),
                };
                frame.encode().len()
            })
            .sum();
        let total = total.load(std::sync::atomic::Ordering::Relaxed) as f64;
        let most = (ideal + 2000) as f64 * 1.3;
        assert!(total < most, "{total} bytes for {ideal}");
    }
}
