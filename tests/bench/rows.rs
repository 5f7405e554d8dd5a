//! Writes a cache with many rows, for the benchmark. usage: rows FOLDER COUNT

mod tools;

use wharf::{
    adapters::store::sqlite::Sqlite,
    core::{
        catalog::rows::{Row, RowSet},
        ports::Cache,
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: rows FOLDER COUNT".into());
    };
    let count: usize = count.parse()?;
    let rows = (0..count).map(|number| Row {
        name: format!("project{:03}/{}-{number:07}", number % 997, tools::TOOLS[number % tools::TOOLS.len()]),
        tags: vec![format!("{}.{}", 2020 + number % 6, number % 10), "latest".into()],
        size: Some((number as u64 % 4000) << 20),
        ..Row::default()
    });
    let set = RowSet::build(rows.collect());
    eprintln!("{} rows, {} MiB", set.len(), set.bytes() >> 20);
    let cache = Sqlite::new(std::path::Path::new(&folder).join("cache.db"));
    cache.save("bench", &set, wharf::core::base::text::now()).await?;
    Ok(())
}
